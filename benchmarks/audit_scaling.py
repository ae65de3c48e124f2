"""Time and memory of the two slow steps of an audit by the number of photos.

    python benchmarks/audit_scaling.py [--sizes 325,650,1300,2600] [--folder FOLDER]

For each size a separate process reads this number of JPEGs of 512 px and measures each photo and
its keypoints, as ``audit`` does, with an empty cache. Then it searches for photos of the same part.
The script prints the seconds of both steps, the processor time of all cores (which other programs
affect less), seconds per photo, peak memory, and the exponent of the growth of the processor time.
The last column is the processor time of a second process, which finds keypoints and result in the
cache. The photos show 200 rendered parts, rotated, shifted, rescaled and with other light.
``--folder`` keeps them.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fastdefect.data.audit.survey import Survey
from fastdefect.data.reading.manifest import list_photos, read_photos
from fastdefect.process import keep_freed_memory, one_thread_each
from fastdefect.sample.render import Defect, photograph, render_part

SIZE = 512
PARTS = 200

Image = NDArray[np.uint8]


def make_photos(folder: Path, n: int) -> None:
    """Write ``n`` JPEGs of ``PARTS`` parts in turn to ``folder``, unless it contains them."""
    if len(list(folder.glob("*/*.jpg"))) >= n:
        return
    for label in ("good", "defect"):
        (folder / label).mkdir(exist_ok=True)
    for part in range(min(PARTS, n)):
        label, defect = ("defect", Defect("scratch", 2)) if part % 2 else ("good", None)
        rendered = render_part(np.random.SeedSequence([3, part]), size=SIZE, defect=defect)
        shot = photograph(rendered, np.random.SeedSequence([3, part, 0])).pixels
        for number in range(part, n, PARTS):
            varied = vary(shot, np.random.default_rng((3, number))) if number >= PARTS else shot
            coded = cv2.imencode(".jpg", varied[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
            (folder / label / f"{number:05}.jpg").write_bytes(coded.tobytes())


def vary(shot: Image, rng: np.random.Generator) -> Image:
    """Return the shot rotated by any angle, slightly shifted and rescaled, with other light."""
    centre = (SIZE / 2, SIZE / 2)
    matrix = cv2.getRotationMatrix2D(centre, rng.uniform(0, 360), rng.uniform(0.85, 1.15))
    matrix[:, 2] = matrix[:, 2] + rng.uniform(-0.06, 0.06, 2) * SIZE
    rotated = cv2.warpAffine(shot, matrix, (SIZE, SIZE), borderMode=cv2.BORDER_REPLICATE)
    light = (np.arange(256) / 255) ** rng.uniform(0.75, 1.35) * rng.uniform(0.85, 1.1)
    return np.rint(255 * np.clip(light, 0, 1)).astype(np.uint8)[rotated]


def measure(folder: Path, n: int) -> dict[str, float]:
    """Return the seconds of both steps and the peak memory of this process in MiB."""
    listing = list_photos(folder)
    entries = tuple(entry for entry in listing.entries if int(entry.path.stem) < n)
    idle = _peak()
    started, worked = time.perf_counter(), time.process_time()
    keep_freed_memory()
    survey = Survey(len(entries), search=True)
    with one_thread_each():
        manifest = read_photos(
            replace(listing, entries=entries), good=("good",), on_photo=survey.put
        )
    surveyed = time.perf_counter()
    found = survey.search(manifest)
    ended = time.perf_counter()
    return {
        "survey": surveyed - started,
        "search": ended - surveyed,
        "processor": time.process_time() - worked,
        "idle": idle,
        "peak": _peak(),
        "groups": len(set(found.group)),
    }


def _peak() -> float:
    """Return the peak memory in MiB; macOS counts bytes, Linux kibibytes."""
    status = Path("/proc/self/status")
    if status.exists():  # the other value includes the process that started this one
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", default="325,650,1300,2600")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.folder, options.one)))
        return
    sizes = [int(size) for size in options.sizes.split(",")]
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        make_photos(folder, max(sizes))
        report(folder, sizes)


def _answer(command: list[str], cache: str) -> dict[str, float]:
    """What a process with this cache has measured."""
    environment = {**os.environ, "FASTDEFECT_CACHE": cache}
    answer = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    found: dict[str, float] = json.loads(answer.stdout)
    return found


def report(folder: Path, sizes: list[int]) -> None:
    print(
        "photos  survey (s)  search (s)  total (s)  processor (s)  s/photo  peak (MiB)  "
        "idle (MiB)  groups  again (s)"
    )
    processor = []
    for n in sizes:
        command = [sys.executable, __file__, "--one", str(n), "--folder", str(folder)]
        with tempfile.TemporaryDirectory() as cache:
            found, again = (_answer(command, cache) for _ in range(2))
        total = found["survey"] + found["search"]
        processor.append(found["processor"])
        print(
            f"{n:6d}  {found['survey']:10.1f}  {found['search']:10.1f}  {total:9.1f}  "
            f"{found['processor']:13.1f}  {total / n:7.4f}  {found['peak']:10.0f}  "
            f"{found['idle']:10.0f}  {found['groups']:6d}  {again['processor']:9.1f}",
            flush=True,
        )
    if len(sizes) > 1:
        exponent = np.polyfit(np.log(sizes), np.log(processor), 1)[0]
        print(
            f"processor time grows with the number of photos to the power of {exponent:.2f}; "
            f"{os.cpu_count()} cores"
        )


if __name__ == "__main__":
    main()
