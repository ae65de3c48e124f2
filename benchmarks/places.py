"""Cut places out of a rendered sample: of defects, and of the same places on good parts.

    python benchmarks/places.py SAMPLE OUT [--side 90] [--times 4]

A network with random weights does not learn defects of one percent of a photo from some hundreds of
photos. It does learn them from such places; its weights are then a start for whole photos
(``fit --weights RUN``). 90 pixels of a photo of 224 are 64 of one of 160: the scale is the same.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from fastdefect.files import read_csv, write_csv


def middle_of(row: Mapping[str, str]) -> tuple[int, int]:
    """The middle of the defect's box, in pixels."""
    return int(row["x"]) + int(row["w"]) // 2, int(row["y"]) + int(row["h"]) // 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sample", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--side", type=int, default=90)
    parser.add_argument("--times", type=int, default=4)
    given = parser.parse_args()
    rows = read_csv(given.sample / "labels.csv")
    middles = [middle_of(row) for row in rows if row["x"]]
    rng = np.random.default_rng(0)
    (given.out / "photos").mkdir(parents=True)
    written = []
    for number, row in enumerate(rows):
        photo = cv2.imread(str(given.sample / row["path"]))
        for time in range(given.times):
            other = middles[int(rng.integers(len(middles)))]
            middle = middle_of(row) if row["x"] else other
            reach = given.side // 4
            at = np.array(middle) + rng.integers(-reach, reach + 1, 2) - given.side // 2
            x, y = (int(v) for v in np.clip(at, 0, photo.shape[0] - given.side))
            path = f"photos/{number}-{time}.png"
            cv2.imwrite(str(given.out / path), photo[y : y + given.side, x : x + given.side])
            written.append({"path": path, "label": row["label"], "part": row["part"]})
    write_csv(given.out / "labels.csv", written, ("path", "label", "part"))


if __name__ == "__main__":
    main()
