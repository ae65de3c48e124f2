"""``serve`` for ``kill.py``: a client goes on through the kill and the restart of the server.

The client sends each photo with a key, and sends it again until it is acknowledged, as a program
at a line does. At the end the store must have each inspection once, with the same decision as
without an interruption, and no other file.
"""

import json
import random
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from kill_commands import Inputs
from kill_process import At, Child, Place, Traced, import_as, run
from serve import Known, post

from fastdefect.serving.store import Store

PHOTOS = 48
CALLS = ("write", "pwrite64", "fsync", "fdatasync", "rename", "unlink")
Row = tuple[str, str, str]  # part, sha256, decision

_END = 30  # seconds


class Line:
    """A server with its store in ``place``, restarted when it is down."""

    def __init__(self, bundle: Path, place: Place, at: At | None) -> None:
        self._bundle, self._place, self._at = bundle, place, at
        self.store = place.folder / "out"
        self.codes: list[int] = []
        self.port = 0
        self._traced: Traced | None = None
        self._start(at)
        while self.port == 0:
            self.down()

    def _start(self, at: At | None) -> None:
        if len(self.codes) > 3:
            raise RuntimeError(self._place.said.read_text(encoding="utf-8"))
        options = ["--store", str(self.store), "--port", "0", "--json", "--threads", "1"]
        arguments = ["serve", str(self._bundle), *options]
        before = self._place.said.stat().st_size if self._place.said.exists() else 0
        if at is not None and at.call is not None:
            self._traced = Traced(arguments, self._place, at.injection)
            self.child = self._traced.child
        else:
            self.child = Child(arguments, self._place)
        self.until = None if at is None or at.seconds is None else time.monotonic() + at.seconds
        self._wait_for_port(before)

    def _wait_for_port(self, before: int) -> None:
        """The port, once it is said; a server that is interrupted before is started again."""
        end = time.monotonic() + _END
        while time.monotonic() < end:
            self._interrupt_in_time()
            if self._has_ended():
                return
            said = self._place.said.read_bytes()[before:] if self._place.said.exists() else b""
            for line in said.decode().splitlines(keepends=True):
                if '"url"' in line and line.endswith("\n"):
                    self.port = int(json.loads(line)["url"].rsplit(":", 1)[1])
                    return
            time.sleep(0.01)
        raise TimeoutError(self._place.said.read_text(encoding="utf-8"))

    def _interrupt_in_time(self) -> None:
        if self.until is not None and time.monotonic() >= self.until and self._at is not None:
            self.until = None
            self.child.send(self._at.how)

    def _has_ended(self) -> bool:
        if self.child.code is None and self.child.ended() is not None:
            self.codes.append(self.child.code)
            if self._traced is not None:
                self._traced.__exit__()
                self._traced = None
        return self.child.code is not None

    def down(self) -> bool:
        """Whether the server had ended, and is started again; interrupts it when it is time."""
        self._interrupt_in_time()
        if not self._has_ended():
            return False
        self._start(None)
        return True

    def stop(self) -> None:
        self.child.send(signal.SIGTERM)
        self.codes.append(self.child.wait(_END))
        if self._traced is not None:
            self._traced.__exit__()


def send_all(line: Line, photos: Sequence[Known]) -> dict[str, str]:
    """Send each photo until it is acknowledged; the acknowledged ids by part."""
    ids: dict[str, str] = {}
    connection: HTTPConnection | None = None
    for number, photo in enumerate(photos):
        part = f"part-{number}"
        while part not in ids:
            if line.down() or connection is None:
                connection = HTTPConnection("127.0.0.1", line.port, timeout=_END)
            try:
                status, answer = post(connection, photo, part, f"key-{number}")
            except (OSError, HTTPException):
                connection = None
                time.sleep(0.02)
                continue
            if status == 200:
                ids[part] = answer["id"]
            else:
                time.sleep(0.02)
    return ids


def left_in(store: Path, ids: dict[str, str]) -> tuple[list[Row], dict[str, list[str]]]:
    """The rows of the store, and what is wrong with it: lost, twice, stray."""
    present = {each.name for each in store.iterdir()}  # reading adds files of SQLite
    with Store.open(store, read_only=True) as opened:
        stored = opened.latest(10**9)
        lost = [part for part, known in ids.items() if known not in {each.id for each in stored}]
        lost += [e.id for e in stored if opened.photo(e.photos[0].sha256) is None]
    parts = [each.part or "" for each in stored]
    files = {path.name for path in (store / "photos").rglob("*") if path.is_file()}
    stray = files - {each.photos[0].sha256 for each in stored}
    stray |= present - {"line.sqlite3", "lock", "photos"}
    found = {
        "lost": lost,
        "twice": sorted({part for part in parts if parts.count(part) > 1}),
        "stray": sorted(stray),
    }
    rows = sorted((e.part or "", e.photos[0].sha256, str(e.decision)) for e in stored)
    return rows, {kind: names for kind, names in found.items() if names}


def once(bundle: Path, photos: Sequence[Known], place: Place, at: At | None) -> dict[str, Any]:
    """A line with all photos; what it left, its exit codes and seconds."""
    began = time.monotonic()
    line = Line(bundle, place, at)
    ids = send_all(line, photos)
    seconds = time.monotonic() - began
    line.stop()
    rows, wrong = left_in(line.store, ids)
    left = sorted(path.name for path in place.temporary.iterdir())
    return {
        "rows": rows,
        "wrong": wrong,
        "codes": line.codes,
        "seconds": seconds,
        "temporary": left,
    }


def exported(inputs: Inputs, folder: Path) -> Path:
    """A bundle of the trained run."""
    place = Place(folder / "serve" / "bundle").make()
    bundle = place.folder / "model.fdb"
    if not bundle.exists() and run(["export", str(inputs.run), "--out", str(bundle)], place) != 0:
        raise RuntimeError(place.said.read_text(encoding="utf-8"))
    return bundle


def photos_of(inputs: Inputs) -> list[Known]:
    """Photos whose bytes differ, so that each has a file of its own in the store."""
    files = sorted(inputs.many.rglob("*.jpg"))[:PHOTOS]
    contents = [path.read_bytes() + bytes([number]) for number, path in enumerate(files)]
    return [Known(data, sha256(data).hexdigest(), "") for data in contents]


def try_all(
    inputs: Inputs,
    folder: Path,
    hows: Sequence[str],
    count: int,
    known: Sequence[dict[str, Any]],
    keep: Callable[[Path, dict[str, Any]], None],
) -> None:
    """Try the moments of ``serve`` that are not among the ``known`` results."""
    done = {(each["signal"], each["number"]) for each in known if each["command"] == "serve"}
    left = [(how, i) for how in hows for i in range(count) if (how, i) not in done]
    if not left:
        return
    bundle, photos = exported(inputs, folder), photos_of(inputs)
    whole = Place(folder / "serve" / "whole").make()
    shutil.rmtree(whole.folder)
    rows = once(bundle, photos, whole.make(), None)["rows"]
    import_as(whole)
    for how, number in left:
        chance = random.Random(f"serve {how} {number}")
        sent = signal.Signals[f"SIG{how}"]
        place = Place(folder / "serve" / f"{how}{number}")
        seconds, call, name = chance.uniform(0, 2), chance.randint(1, PHOTOS), chance.choice(CALLS)
        while True:
            at = At(sent, seconds=seconds) if number < count // 2 else At(sent, call=(name, call))
            shutil.rmtree(place.folder, ignore_errors=True)
            found = once(bundle, photos, place.make(), at)
            if len(found["codes"]) > 1:  # else it came after the end
                break
            seconds, call = seconds / 2, max(1, call // 2)
        same = found["rows"] == rows and not found["wrong"]
        result = {
            "at": str(at),
            "where": "",
            "codes": found["codes"],
            "went_on": "from its state",
            "same": same,
            "differences": found["wrong"] or ({} if same else {"changed": ["rows"]}),
            "temporary": found["temporary"],
        }
        keep(folder, {"command": "serve", "signal": how, "number": number, **result})
        if same:
            shutil.rmtree(place.folder)
