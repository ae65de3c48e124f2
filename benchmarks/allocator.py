"""What keeping freed memory saves a training on a CPU (Linux with glibc).

    python benchmarks/allocator.py [--pairs 3] [--steps 8] [--arch mobilenet_v2]

Runs pairs of processes in turn, without and with ``keep_freed_memory``, each doing the same
training steps on random pixels after two steps of warm-up, and prints seconds a step, page
faults a step and the ratio of each pair.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time


def measure(arch: str, steps: int, keep: bool) -> dict[str, float]:
    """Seconds and page faults of one training step, by this process."""
    import torch
    import torchvision

    from fastdefect.process import keep_freed_memory

    if keep:
        keep_freed_memory()
    torch.manual_seed(0)
    model = torchvision.models.get_model(arch, weights=None, num_classes=2)
    model = model.to(memory_format=torch.channels_last).train()
    photos = torch.randn(24, 3, 224, 224)
    labels = torch.arange(24) % 2
    for step in range(steps + 2):
        if step == 2:
            started, faults = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
        torch.nn.functional.cross_entropy(model(photos), labels).backward()
        model.zero_grad()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "seconds": (time.perf_counter() - started) / steps,
        "faults": (after.ru_minflt - faults.ru_minflt) / steps,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--arch", default="mobilenet_v2")
    parser.add_argument("--one", choices=["plain", "keep"])
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.arch, options.steps, options.one == "keep")))
        return
    ratios = []
    for pair in range(options.pairs):
        seen = {}
        for one in ("plain", "keep"):
            command = [sys.executable, __file__, "--one", one]
            command += ["--steps", str(options.steps), "--arch", options.arch]
            answer = subprocess.run(command, capture_output=True, text=True, check=True)
            seen[one] = json.loads(answer.stdout)
        ratios.append(seen["plain"]["seconds"] / seen["keep"]["seconds"])
        print(
            f"pair {pair + 1}: plain {seen['plain']['seconds']:.2f} s/step "
            f"({seen['plain']['faults']:.0f} faults), kept {seen['keep']['seconds']:.2f} s/step "
            f"({seen['keep']['faults']:.0f} faults), ratio {ratios[-1]:.2f}"
        )
    print(f"{options.arch}: {statistics.median(ratios):.2f} times as fast, median of the pairs")


if __name__ == "__main__":
    main()
