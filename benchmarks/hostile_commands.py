"""Whole commands on a folder of hostile photos, with awkward names, links in circles and no files.

    python benchmarks/hostile_commands.py [--count 300] [--seed 1] [--only audit,fit,predict,serve]

``audit``, ``fit`` (one epoch of a tiny network), ``predict`` and ``serve`` run as processes. Each
must end with its usual status and count exactly the photos that its reader rejects, without a
traceback. Prints the counts, seconds and peak memory of each command; the exit status is 1 if one
of them fails.
"""

import argparse
import csv
import http.client
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from helpers.bundles import tiny_bundle
from helpers.hostile_photos import awkward_names, hostile_photo

from fastdefect.data.reading.images import Reading, UnreadablePhoto, decode_photo, read_bytes
from fastdefect.data.reading.layouts.tree import stream_photos
from fastdefect.sample.render import SampleSettings, render_sample

FAILED = ("Traceback (most recent call last)", "Internal Server Error")
_TRAINING = (
    "--arch small-cnn --weights none --image-size 32 --epochs 1 --batch-size 8 --device cpu "
    "--workers 0 --parts none --final none --views none --good ok"
)


@dataclass(frozen=True)
class Folder:
    """A folder of photos: how many it has, and the names of those that can't be read."""

    path: Path
    photos: int
    rejected: frozenset[str]


def fill(folder: Path, count: int, seed: int) -> Folder:
    """Write ``count`` hostile photos among sound ones with awkward names, and links."""
    sound = folder.parent / "sound"
    sound.mkdir()
    render_sample(sound, SampleSettings(n=60, seed=seed, size=48, difficulty=1))
    photos = [path.read_bytes() for path in sorted((sound / "photos").iterdir())]
    for label in ("ok", "ng"):
        (folder / label).mkdir(parents=True)
    for index, data in enumerate(photos):
        (folder / ("ok", "ng")[index % 2] / f"sound-{index}.jpg").write_bytes(data)
    for index, name in enumerate(awkward_names()):
        place = os.fsencode(folder / ("ok", "ng")[index % 2]) + b"/" + name + b".jpg"
        Path(os.fsdecode(place)).write_bytes(photos[index] + b"\0" * index)
    for index in range(count):
        _, name, data = hostile_photo(seed, index)
        suffix = Path(name).suffix or ".png"
        (folder / ("ok", "ng")[index % 2] / f"hostile-{index}{suffix}").write_bytes(data)
    _links(folder / "ok")
    return _described(folder)


def _links(folder: Path) -> None:
    (folder / "loop").symlink_to(folder.parent)
    (folder / "itself.jpg").symlink_to("itself.jpg")
    (folder / "nothing.jpg").symlink_to("not-there.jpg")
    (folder / "device.png").symlink_to("/dev/zero")
    (folder / "folder.png").mkdir()
    os.mkfifo(folder / "pipe.jpg")


def _described(folder: Path) -> Folder:
    """What the reader itself makes of each photo."""
    rejected, total = set(), 0
    for name, path, _ in stream_photos(folder):
        total += 1
        try:
            decode_photo(read_bytes(path), str(path), Reading(side=256, white=255.0))
        except UnreadablePhoto:
            rejected.add(name)
    return Folder(folder, total, frozenset(rejected))


def run(*arguments: str | Path, codes: Sequence[int] = (0,)) -> str:
    """Run a command and return what it prints; raises ``AssertionError`` if it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "fastdefect", *map(str, arguments)],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=900,
        check=False,
    )
    printed = done.stdout + done.stderr
    assert done.returncode in codes, f"status {done.returncode}\n{printed[-3000:]}"
    assert not any(each in printed for each in FAILED), printed[-3000:]
    return printed


def audit(photos: Folder, work: Path) -> str:
    """The finding ``unreadable`` names each rejected photo, and no other."""
    run("audit", photos.path, "--out", work / "audit", "--parts", "none", "--good", "ok")
    return _unreadable(photos, work / "audit" / "findings.json")


def fit(photos: Folder, work: Path) -> str:
    """One epoch; the run has the same finding, and a split of all other photos."""
    run("fit", photos.path, "--runs", work / "runs", *_TRAINING.split())
    counts = _unreadable(photos, work / "runs" / "latest" / "findings.json")
    with (work / "runs" / "latest" / "split.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == photos.photos - len(photos.rejected), len(rows)
    return counts


def _unreadable(photos: Folder, file: Path) -> str:
    findings = json.loads(file.read_text(encoding="utf-8"))
    named = {name for each in findings if each["kind"] == "unreadable" for name in each["paths"]}
    assert named == photos.rejected, sorted(named ^ photos.rejected)[:5]
    return f"{len(named)} rejected"


def predict(photos: Folder, work: Path) -> str:
    """A row for each photo; a rejected one is for a person to look at, with the reason."""
    bundle = tiny_bundle(work / "model.fdb")
    out = work / "rows.jsonl"
    run("predict", bundle, photos.path, "--out", out, codes=(3,))
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").split("\n") if line]
    assert len(rows) == photos.photos, len(rows)
    bad = [row for row in rows if row["error"]]
    assert all(row["decision"] == "look" for row in bad)
    assert len(bad) == len(photos.rejected), len(bad)
    return f"{len(bad)} rejected"


def serve(photos: Folder, work: Path) -> str:
    """Every photo gets an answer: a decision, or a status that says why not."""
    bundle = tiny_bundle(work / "served.fdb")
    process = subprocess.Popen(
        [sys.executable, "-m", "fastdefect", "serve", bundle, "--store", work / "line",
         "--port", "0", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        statuses = _ask(_port(process), photos)
    finally:
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=60)
    assert process.returncode == 0, rest[-2000:]
    assert not any(each in rest for each in FAILED), rest[-3000:]
    assert set(statuses) <= {200, 413, 415, 422}, statuses
    return ", ".join(f"{n} of status {status}" for status, n in sorted(statuses.items()))


def _port(process: "subprocess.Popen[str]") -> int:
    assert process.stdout is not None
    for line in process.stdout:
        if "127.0.0.1:" in line:
            digits = line.split("127.0.0.1:")[1]
            return int("".join(c for c in digits[:5] if c.isdigit()))
    raise AssertionError("serve ended before it listened")


def _ask(port: int, photos: Folder) -> Counter[int]:
    statuses: Counter[int] = Counter()
    for _, path, _ in stream_photos(photos.path):
        if not path.is_file():
            continue
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        connection.request(
            "POST", "/inspect", path.read_bytes(), {"Content-Type": "application/octet-stream"}
        )
        answer = connection.getresponse()
        answer.read()
        statuses[answer.status] += 1
        connection.close()
    return statuses


COMMANDS: dict[str, Callable[[Folder, Path], str]] = {
    "audit": audit,
    "fit": fit,
    "predict": predict,
    "serve": serve,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the commands on one folder; 1 if one of them fails."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default=",".join(COMMANDS))
    options = parser.parse_args(arguments)
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        photos = fill(Path(folder) / "photos", options.count, options.seed)
        print(f"{photos.photos} photos, of which {len(photos.rejected)} can't be read", flush=True)
        for name in options.only.split(","):
            work = Path(folder) / name
            work.mkdir()
            started = time.perf_counter()
            try:
                result = COMMANDS[name](photos, work)
            except (AssertionError, subprocess.TimeoutExpired, OSError) as error:
                result, failures = f"FAILED: {error}", failures + 1
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10
            seconds = time.perf_counter() - started
            print(f"| {name} | {result} | {seconds:.0f} s | {peak} MiB |", flush=True)
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
