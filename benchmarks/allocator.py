"""The effect of ``keep_freed_memory`` on a training step on a CPU (Linux with glibc).

    python benchmarks/allocator.py [--pairs 3] [--steps 8] [--arch mobilenet_v2]

Runs pairs of processes, without and with ``keep_freed_memory``, one after the other. Each process
runs the same training steps on random pixels after two warm-up steps. Prints seconds per step, page
faults per step and the ratio of each pair.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time


def measure(arch: str, steps: int, keep: bool) -> dict[str, float]:
    """Return seconds and page faults per training step in this process."""
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
        found = {}
        for one in ("plain", "keep"):
            command = [sys.executable, __file__, "--one", one]
            command += ["--steps", str(options.steps), "--arch", options.arch]
            answer = subprocess.run(command, capture_output=True, text=True, check=True)
            found[one] = json.loads(answer.stdout)
        ratios.append(found["plain"]["seconds"] / found["keep"]["seconds"])
        print(
            f"pair {pair + 1}: plain {found['plain']['seconds']:.2f} s/step "
            f"({found['plain']['faults']:.0f} faults), kept {found['keep']['seconds']:.2f} s/step "
            f"({found['keep']['faults']:.0f} faults), ratio {ratios[-1]:.2f}"
        )
    print(f"{options.arch}: {statistics.median(ratios):.2f} times as fast (median of the pairs)")


if __name__ == "__main__":
    main()
