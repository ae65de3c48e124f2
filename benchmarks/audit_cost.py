"""The time of ``fastdefect audit`` for 1,300 photos, including the start of the program.

    python benchmarks/audit_cost.py DATA [--photos 1300]

``DATA`` contains class folders of JPEGs. If there are too few, copies rotated by 90 degrees and
recompressed are added.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2


def gather(data: Path, folder: Path, wanted: int) -> None:
    """Copy up to ``wanted`` photos to ``folder``; add rotated copies if there are too few."""
    found = sorted(path for path in data.glob("*/*") if path.suffix.lower() in (".jpg", ".jpeg"))
    for path in found[:wanted]:
        (folder / path.parent.name).mkdir(exist_ok=True)
        shutil.copy(path, folder / path.parent.name / path.name)
    for path in found[: max(0, wanted - len(found))]:
        rotated = cv2.rotate(cv2.imread(str(path)), cv2.ROTATE_90_CLOCKWISE)
        target = folder / path.parent.name / f"turned_{path.name}"
        cv2.imwrite(str(target), rotated, [cv2.IMWRITE_JPEG_QUALITY, 88])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--photos", type=int, default=1300)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "photos"
        folder.mkdir()
        gather(options.data, folder, options.photos)
        command = [sys.executable, "-m", "fastdefect", "audit", str(folder), "--quiet"]
        started = time.perf_counter()
        subprocess.run([*command, "--out", str(Path(temporary) / "audit")], check=True)
        print(f"{options.photos} photos: {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
