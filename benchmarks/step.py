"""The time of a training step by the layers that keep their pretrained values (Linux).

    python benchmarks/step.py [--rounds 3] [--steps 4] [--arch mobilenet_v2] [--image-size 224]

Each way runs in a separate process, one after the other: batch-norm statistics trained, fixed,
fixed and folded into the convolutions (as in the program), and folded with fixed early layers (its
default). Prints photos per second of a step on 24 random photos (median over steps and rounds) and
the peak memory of the process.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from typing import Any

WAYS = ("statistics trained", "statistics fixed", "folded", "folded, early layers fixed")


def measure(way: str, arch: str, image_size: int, steps: int) -> dict[str, Any]:
    """Return photos per second of each step, after one warm-up step, and peak memory in MB."""
    import torch
    from torch import nn

    from fastdefect.process import keep_freed_memory
    from fastdefect.training import backbones
    from fastdefect.training.head import build_head

    keep_freed_memory()
    if not way.startswith("folded"):
        backbones.fold_batch_norm = lambda body, image_size: 0  # type: ignore[assignment]
    backbone, _ = backbones.build_backbone(arch, "none", image_size)
    model = nn.Sequential(
        backbone.body, build_head(backbone.n_features, 2, spatial=backbone.spatial, kind="linear")
    )
    model = model.to(memory_format=torch.channels_last).train(way == WAYS[0])
    if way == WAYS[3]:
        for parameter in backbone.early:
            parameter.requires_grad_(False)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, 1e-4)
    photos = torch.randn(24, 3, image_size, image_size)
    photos = photos.contiguous(memory_format=torch.channels_last)
    labels = torch.arange(24) % 2
    rates = []
    for _ in range(steps + 1):
        started = time.perf_counter()
        nn.functional.cross_entropy(model(photos), labels).backward()
        optimizer.step()
        optimizer.zero_grad()
        rates.append(len(photos) / (time.perf_counter() - started))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"rates": rates[1:], "peak": peak}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--arch", default="mobilenet_v2")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--one", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        found = measure(options.one, options.arch, options.image_size, options.steps)
        print(json.dumps(found))
        return
    rates: dict[str, list[float]] = {way: [] for way in WAYS}
    peaks: dict[str, float] = dict.fromkeys(WAYS, 0.0)
    for _ in range(options.rounds):
        for way in WAYS:
            command = [sys.executable, __file__, "--one", way, "--arch", options.arch]
            command += ["--steps", str(options.steps), "--image-size", str(options.image_size)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found = json.loads(done.stdout)
            rates[way] += found["rates"]
            peaks[way] = max(peaks[way], found["peak"])
    first = statistics.median(rates[WAYS[0]])
    print(f"{'':28s} {'photos/s':>9s} {'times':>6s} {'peak MB':>8s}")
    for way in WAYS:
        rate = statistics.median(rates[way])
        print(f"{way:28s} {rate:9.1f} {rate / first:6.2f} {peaks[way]:8.0f}")


if __name__ == "__main__":
    main()
