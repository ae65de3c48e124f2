"""The labels of a rendered sample."""

import csv
from pathlib import Path


def labels(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
