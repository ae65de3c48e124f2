"""Parts of the rendered sample with and without a defect."""

import csv
from pathlib import Path


def labels(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
