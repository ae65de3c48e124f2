"""Trainings, predictions and exports on disks and machines that fail.

    python benchmarks/broken.py FOLDER [--commands fit,predict,export] [--share 1]

Every call of a command that writes below its folder fails once, in a run of its own, with one of
the errors of a full disk, a quota, a read-only file system, a damaged disk and a missing
permission in turn (strace injects them). Then real small file systems: one that fills up, one that
becomes read-only, one that is taken away, one that this user may not write. The command must end
with exit code 1 and a message, without a traceback, or do without the call; the next must go on
and leave what an undisturbed one leaves. ``--share`` tries only every so-manieth call. Needs Linux
and strace, and root for the file systems. Prints the counts and each failure.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import kill
from kill_commands import Command, Inputs, commands, make_inputs
from kill_process import Child, Place, Traced, run

ERRORS = ("ENOSPC", "EDQUOT", "EROFS", "EIO", "EACCES")
GOOD = ("refused and continued", "done without the call", "done, with a warning")
# What a command leaves beside its result, if it can; another one makes it again.
REPEATABLE = {"run/report.html", "baseline.csv", "reference.safetensors"}
Counts = Counter[str]


def try_errors(command: Command, inputs: Inputs, folder: Path, share: int) -> Counts:
    """Let each writing call of the command fail once."""
    whole = kill.measure(command, inputs, folder / command.name)
    place = Place(folder / command.name / "traced").make()
    with Traced(command.begin(inputs, place), place) as traced:
        traced.child.wait()
    own = [call for call in traced.calls() if str(place.folder) in call.line]
    own = [call for call in own if "said.txt" not in call.line]
    counts: Counts = Counter()
    for number, call in list(enumerate(own))[::share]:
        error = ERRORS[number % len(ERRORS)]
        place = Place(folder / command.name / f"{error}{number}")
        shutil.rmtree(place.folder, ignore_errors=True)
        inject = f"inject={call.name}:error={error}:when={call.number}"
        with Traced(command.begin(inputs, place.make()), place, inject) as traced:
            code = traced.child.wait()
        failed = [each.line for each in traced.calls() if "INJECTED" in each.line]
        said = place.said.read_text(encoding="utf-8", errors="replace")
        outcome = judge(command, inputs, whole, place, code, said)
        counts[f"{call.name}: {outcome}"] += 1
        if outcome in GOOD:
            shutil.rmtree(place.folder)
        else:
            print(f"{command.name} {error} {failed}: {outcome}\n{said[-600:]}")
    return counts


def judge(
    command: Command, inputs: Inputs, whole: kill.Whole, place: Place, code: int, said: str
) -> str:
    """What became of a command that failed with ``code``, and of the next one."""
    if "Traceback" in said:
        return "TRACEBACK"
    no_path = code == 2 and "expected a path that can be written" in said  # of --out
    if code not in (0, 1) and not no_path:
        return f"EXIT CODE {code}"
    if code == 1 and not re.search(r"fastdefect: error: .*\w", said):
        return "NO MESSAGE"
    if code or command.name == "predict":
        again = command.go_on(inputs, place) or command.begin(inputs, place)
        if run(again, place) != 0:
            return "NOT CONTINUED"
    found = kill.differences(whole.facts, command.facts(place))
    if found.keys() == {"lost"} and set(found["lost"]) <= REPEATABLE and "\n! " in said:
        return "done, with a warning"
    if found:
        return f"DIFFERENT {found}"
    return "done without the call" if code == 0 else "refused and continued"


# ---- real file systems -------------------------------------------------------------------


def shell(*words: str) -> None:
    subprocess.run(words, check=True)


class Disk:
    """A file system of its own at the place where a command writes. Use as a context."""

    def __init__(self, place: Place, kilobytes: int) -> None:
        self.at = place.folder / "out"
        self.at.mkdir(exist_ok=True)
        shell("mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "broken", str(self.at))

    def change(self, options: str) -> None:
        shell("mount", "-o", f"remount,{options}", str(self.at))

    def __enter__(self) -> "Disk":
        return self

    def __exit__(self, *error: object) -> None:
        shell("umount", "-l", str(self.at))


def on_full_disk(command: Command, inputs: Inputs, folder: Path) -> Counts:
    """Disks from too small for the first file to nearly large enough; then they grow."""
    whole = kill.measure(command, inputs, folder / command.name)
    counts: Counts = Counter()
    for kilobytes in (4, 16, 64, 256, 512, 1024, 1536, 2048):
        place = Place(folder / command.name / f"{kilobytes}k")
        shutil.rmtree(place.folder, ignore_errors=True)
        with Disk(place.make(), kilobytes) as disk:
            code = run(command.begin(inputs, place), place)
            said = place.said.read_text(encoding="utf-8")
            disk.change("size=64m")
            outcome = judge(command, inputs, whole, place, code, said)
        counts[f"disk of {kilobytes} kB: {outcome}"] += 1
    return counts


def interrupted_disk(command: Command, inputs: Inputs, folder: Path, what: str) -> str:
    """The disk becomes read-only, or is taken away, when the training has a checkpoint."""
    whole = kill.measure(command, inputs, folder / command.name)
    place = Place(folder / command.name / what)
    shutil.rmtree(place.folder, ignore_errors=True)
    kept = place.make().folder / "kept"
    kept.mkdir()
    at = place.folder / "out"
    at.mkdir()
    shell("mount", "--bind", str(kept), str(at))
    child = Child(command.begin(inputs, place), place)
    end = time.monotonic() + 120
    while not list(kept.rglob("history.csv")) and time.monotonic() < end:
        time.sleep(0.001)
    if what == "read-only":  # another mount above it: this one has an open file, the lock
        shell("mount", "--bind", str(kept), str(at))
        shell("mount", "-o", "remount,bind,ro", str(at))
    else:
        shell("umount", "-l", str(at))
    code = child.wait()
    said = place.said.read_text(encoding="utf-8")
    if what == "read-only":
        shell("umount", "-l", str(at))
    else:
        shell("mount", "--bind", str(kept), str(at))
    try:
        return judge(command, inputs, whole, place, code, said)
    finally:
        shell("umount", "-l", str(at))
        print("  " + "\n  ".join(said.splitlines()[-2:]))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--commands", default="fit,predict,export")
    parser.add_argument("--share", type=int, default=1)
    given = parser.parse_args(arguments)
    folder = given.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    inputs, counts = make_inputs(folder), Counter[str]()
    for name in given.commands.split(","):
        for what, n in try_errors(commands()[name], inputs, folder, given.share).items():
            counts[f"{name}, {what}"] += n
    if os.geteuid() == 0:
        for what, n in on_full_disk(commands()["fit"], inputs, folder).items():
            counts[f"fit, {what}"] += n
        for what in ("read-only", "taken away"):
            outcome = interrupted_disk(commands()["fit"], inputs, folder, what)
            counts[f"fit, disk {what}: {outcome}"] += 1
    for what, n in sorted(counts.items()):
        print(f"{n:5}  {what}")
    return int(any(not what.endswith(GOOD) for what in counts))


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main())
