"""How time and memory of an audit's costly steps grow with the number of photos.

    python benchmarks/audit_scaling.py [--sizes 325,650,1300,2600] [--folder FOLDER]

For each size a process of its own reads so many JPEGs of 512 px, looks at each and finds its
keypoints, as ``audit`` does, and then searches for the photos of one part. Prints seconds of
both steps, of processor time (of all cores, which other programs disturb less), seconds a photo
and peak memory, and at the end the exponent that the processor time grows with. The photos are
200 rendered parts, turned, shifted, rescaled and relit. ``--folder`` keeps them.
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
    """``n`` JPEGs in ``folder``, each ``PARTS``th of one part, unless there are so many."""
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
    """The shot turned by any angle, a little shifted and rescaled, in another light."""
    middle = (SIZE / 2, SIZE / 2)
    matrix = cv2.getRotationMatrix2D(middle, rng.uniform(0, 360), rng.uniform(0.85, 1.15))
    matrix[:, 2] = matrix[:, 2] + rng.uniform(-0.06, 0.06, 2) * SIZE
    turned = cv2.warpAffine(shot, matrix, (SIZE, SIZE), borderMode=cv2.BORDER_REPLICATE)
    light = (np.arange(256) / 255) ** rng.uniform(0.75, 1.35) * rng.uniform(0.85, 1.1)
    return np.rint(255 * np.clip(light, 0, 1)).astype(np.uint8)[turned]


def measure(folder: Path, n: int) -> dict[str, float]:
    """Seconds of both steps and the most memory that this process held, MiB."""
    listing = list_photos(folder)
    entries = tuple(entry for entry in listing.entries if int(entry.path.stem) < n)
    idle = _peak()
    started, worked = time.perf_counter(), time.process_time()
    keep_freed_memory()
    survey = Survey(len(entries), search=True)
    with one_thread_each():
        manifest = read_photos(replace(listing, entries=entries), good="good", on_photo=survey.put)
    looked = time.perf_counter()
    found = survey.search(manifest)
    ended = time.perf_counter()
    return {
        "look": looked - started,
        "search": ended - looked,
        "processor": time.process_time() - worked,
        "idle": idle,
        "peak": _peak(),
        "groups": len(set(found.group)),
    }


def _peak() -> float:
    """MiB; macOS counts bytes, Linux kibibytes."""
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


def report(folder: Path, sizes: list[int]) -> None:
    print(
        "photos  look (s)  search (s)  total (s)  processor (s)  s/photo  peak (MiB)  "
        "of which idle  groups"
    )
    processor = []
    for n in sizes:
        command = [sys.executable, __file__, "--one", str(n), "--folder", str(folder)]
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
        seen = json.loads(answer.stdout)
        total = seen["look"] + seen["search"]
        processor.append(seen["processor"])
        print(
            f"{n:6d}  {seen['look']:8.1f}  {seen['search']:10.1f}  {total:9.1f}  "
            f"{seen['processor']:13.1f}  {total / n:7.4f}  {seen['peak']:10.0f}  "
            f"{seen['idle']:13.0f}  {seen['groups']:6d}",
            flush=True,
        )
    if len(sizes) > 1:
        exponent = np.polyfit(np.log(sizes), np.log(processor), 1)[0]
        print(
            f"seconds of processor time grow with photos to the power of {exponent:.2f}; "
            f"{os.cpu_count()} cores"
        )


if __name__ == "__main__":
    main()
