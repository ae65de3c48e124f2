"""The time of ``--help`` compared with a minimal Typer app with rich, in pairs of processes.

    python benchmarks/help.py [--pairs 7]

Prints the ratio of the wall times for ``--help`` and for ``fit --help``: median, minimum, maximum.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BARE = """
import rich, typer
app = typer.Typer()

@app.command()
def fit(data: str = "data", epochs: int = 25): "Train."

@app.command()
def runs(): "List."

app()
"""


def seconds(command: list[str]) -> float:
    """Return the wall time of one process in seconds."""
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=7)
    pairs = parser.parse_args().pairs
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder) / "bare.py"
        bare.write_text(BARE, encoding="utf-8")
        for arguments in (["--help"], ["fit", "--help"]):
            ours = [sys.executable, "-m", "fastdefect", *arguments]
            plain = [sys.executable, str(bare), *arguments]
            seconds(ours), seconds(plain)  # warm-up
            ratios = [seconds(ours) / seconds(plain) for _ in range(pairs)]
            print(
                f"{' '.join(arguments)}: {statistics.median(ratios):.2f} times the minimal app "
                f"({min(ratios):.2f} to {max(ratios):.2f}, {pairs} pairs)"
            )


if __name__ == "__main__":
    main()
