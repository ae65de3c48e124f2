"""The speed of a training step alone and beside a busy program, by thread wait policy (Linux).

    python benchmarks/beside.py [--rounds 3] [--steps 5] [--arch mobilenet_v2]

Each policy runs in a separate process, one after the other: GNU OpenMP's default, the program's
setting (``fastdefect/process.py``), OMP_WAIT_POLICY=PASSIVE, and one thread. Prints photos per
second of a step on 24 random photos, alone and beside a busy process, as medians over steps and
rounds.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

WAYS: dict[str, dict[str, str]] = {
    "OpenMP's default": {},
    "fastdefect": {"GOMP_SPINCOUNT": "1000"},
    "passive": {"OMP_WAIT_POLICY": "PASSIVE"},
    "one thread": {"OMP_NUM_THREADS": "1"},
}
_BUSY = "while True: pass"


def measure(arch: str, steps: int) -> list[float]:
    """Return the photos per second of each step in this process, after two warm-up steps."""
    import torch
    import torchvision

    model = torchvision.models.get_model(arch, weights=None, num_classes=2)
    model = model.to(memory_format=torch.channels_last).train()
    photos = torch.randn(24, 3, 224, 224).contiguous(memory_format=torch.channels_last)
    labels = torch.arange(24) % 2
    rates = []
    for _ in range(steps + 2):
        started = time.perf_counter()
        torch.nn.functional.cross_entropy(model(photos), labels).backward()
        model.zero_grad()
        rates.append(len(photos) / (time.perf_counter() - started))
    return rates[2:]


def _of_process(way: dict[str, str], options: argparse.Namespace) -> list[float]:
    names = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "OMP_NUM_THREADS")
    clean = {name: value for name, value in os.environ.items() if name not in names}
    command = [sys.executable, __file__, "--one", "--arch", options.arch]
    command += ["--steps", str(options.steps)]
    done = subprocess.run(command, env={**clean, **way}, capture_output=True, text=True, check=True)
    found: list[float] = json.loads(done.stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--arch", default="mobilenet_v2")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.arch, options.steps)))
        return
    print(f"{'threads wait':18s} {'alone':>8s} {'beside one':>11s} {'times as slow':>14s}")
    rates: dict[tuple[str, bool], list[float]] = {}
    for _ in range(options.rounds):
        for busy in (False, True):
            other = subprocess.Popen([sys.executable, "-c", _BUSY]) if busy else None
            try:
                for name, way in WAYS.items():
                    rates.setdefault((name, busy), []).extend(_of_process(way, options))
            finally:
                if other:
                    other.kill()
                    other.wait()
    for name in WAYS:
        alone, beside = (statistics.median(rates[name, busy]) for busy in (False, True))
        print(f"{name:18s} {alone:8.1f} {beside:11.1f} {alone / beside:14.1f}")


if __name__ == "__main__":
    main()
