"""Load on ``fastdefect serve``: no lost, mixed-up or repeated answer, its times, and its rate.

    python benchmarks/serve.py BUNDLE PHOTOS [--clients 32] [--seconds 60] [--threads 2]

Before and after the server, the bare session decides on the photos (``Inspector``, in as many
threads), as other work on the machine changes all rates. In between a server in a
process of its own gets photos from clients, each over a connection of its own; half of the requests
have a key, and some of these are sent twice. Each client knows the right decision on each photo and
compares hash, part and decision of the answer. At the end each answer must be in the store, and no
other. Prints a line of figures for the bare session and one for the server.
"""

import argparse
import json
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from fastdefect.inference.inspector import Inspector
from fastdefect.serving.store import Store

BOUNDARY = "fastdefect-benchmark"


@dataclass(frozen=True)
class Known:
    """A photo and the decision on it."""

    data: bytes
    sha256: str
    decision: str


@dataclass
class Seen:
    """What a client saw: ids of acknowledged inspections by part, seconds, and faults."""

    parts: dict[str, str] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    busy: int = 0
    repeated: int = 0
    faults: list[str] = field(default_factory=list)


class Server:
    """A server in a process of its own, on a free port."""

    def __init__(self, bundle: Path, store: Path, *options: str) -> None:
        command = [sys.executable, "-m", "fastdefect", "serve", str(bundle), "--store", str(store)]
        self.process = subprocess.Popen(
            [*command, "--port", "0", "--json", *options], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        started = json.loads(self.process.stdout.readline())
        self.port = int(started["url"].rsplit(":", 1)[1])
        # The lines of its requests, which would fill the pipe.
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(self.process.stdout)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        code = self.process.wait(60)
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


def known_photos(inspector: Inspector, photos: Sequence[Path]) -> list[Known]:
    """The photos with the decisions of the bare session."""
    found = []
    for path in photos:
        data = path.read_bytes()
        decision = inspector.inspect(data).decision
        found.append(Known(data, sha256(data).hexdigest(), decision))
    return found


def post(connection: HTTPConnection, photo: Known, part: str, key: str | None) -> tuple[int, Any]:
    """Send one photo; the status and the JSON."""
    form = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="part"\r\n\r\n{part}\r\n'
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="photo"; filename="a.jpg"\r\n\r\n'
    )
    body = form.encode() + photo.data + f"\r\n--{BOUNDARY}--\r\n".encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    if key is not None:
        headers["Idempotency-Key"] = key
    connection.request("POST", "/inspect", body, headers)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def client(number: int, port: int, photos: Sequence[Known], going: Callable[[], bool]) -> Seen:
    """Send photos, one after the other, while ``going``."""
    seen, chance = Seen(), random.Random(number)
    connection = HTTPConnection("127.0.0.1", port, timeout=120)
    count = 0
    while going():
        photo, part = chance.choice(photos), f"{number}-{count}"
        key = f"key-{part}" if count % 2 else None
        count += 1
        started = time.perf_counter()
        try:
            status, answer = post(connection, photo, part, key)
            if status == 503:
                seen.busy += 1
                time.sleep(0.1)
                continue
            seen.seconds.append(time.perf_counter() - started)
            check(photo, part, status, answer, seen)
            if key is not None and chance.random() < 0.1:
                seen.repeated += 1
                if post(connection, photo, part, key) != (status, answer):
                    seen.faults.append(f"{part}: another answer to the same key")
        except (OSError, HTTPException) as error:
            if going():
                seen.faults.append(f"{part}: {error!r}")
            break
    connection.close()
    return seen


def check(photo: Known, part: str, status: int, answer: Any, seen: Seen) -> None:
    """Compare the answer with what is known."""
    if status != 200:
        seen.faults.append(f"{part}: {status} {answer}")
        return
    seen.parts[part] = answer["id"]
    got = (answer["part"], answer["photos"][0]["sha256"], answer["decision"])
    if got != (part, photo.sha256, photo.decision):
        seen.faults.append(f"{part}: {got} instead of {photo.sha256}, {photo.decision}")


def load(port: int, photos: Sequence[Known], clients: int, going: Callable[[], bool]) -> list[Seen]:
    """All clients at the same time."""
    with ThreadPoolExecutor(clients) as pool:
        work = [pool.submit(client, i, port, photos, going) for i in range(clients)]
        return [each.result() for each in work]


def check_store(folder: Path, seen: Sequence[Seen]) -> tuple[list[str], int]:
    """What the store lacks of the acknowledged answers; and the number of its inspections."""
    faults = []
    with Store.open(folder, read_only=True) as store:
        stored = store.latest(10**9)
        by_id = {each.id: each for each in stored}
        for part, id_ in (pair for each in seen for pair in each.parts.items()):
            found = by_id.get(id_)
            if found is None or found.part != part:
                faults.append(f"{part}: not in the store")
            elif store.photo(found.photos[0].sha256) is None:
                faults.append(f"{part}: its photo is not in the store")
        parts = [each.part for each in stored]
        if len(set(parts)) != len(parts):
            faults.append("a part was stored twice")
    return faults, len(stored)


def bare_rate(inspector: Inspector, photos: Sequence[Known], seconds: float, threads: int) -> float:
    """Photos a second of the session alone, in threads, from the bytes."""
    end, counts = time.perf_counter() + seconds, [0] * threads

    def work(i: int) -> None:
        while time.perf_counter() < end:
            inspector.inspect(photos[counts[i] % len(photos)].data)
            counts[i] += 1

    started = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))
    return sum(counts) / (time.perf_counter() - started)


def report(seen: Sequence[Seen], stored: int, seconds: float, bare: Sequence[float]) -> str:
    """The figures as lines."""
    times = sorted(each for one in seen for each in one.seconds)
    cuts = statistics.quantiles(times, n=100) if len(times) > 1 else [0.0] * 99
    busy, repeated = (sum(getattr(each, name) for each in seen) for name in ("busy", "repeated"))
    return (
        f"bare session: {bare[0]:.1f} photos/s before, {bare[1]:.1f} after\n"
        f"server: {len(times)} answers, {len(times) / seconds:.1f} photos/s, "
        f"p50 {cuts[49] * 1000:.0f} ms, p99 {cuts[98] * 1000:.0f} ms, {stored} stored, "
        f"{repeated} sent twice, {busy} refused (503)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    suffixes = (".jpg", ".jpeg", ".png")
    paths = sorted(each for each in options.photos.rglob("*") if each.suffix.lower() in suffixes)
    inspector = Inspector(options.bundle, threads=1)
    photos = known_photos(inspector, paths[:: max(1, len(paths) // 200)])
    short = min(options.seconds, 10)
    bare = [bare_rate(inspector, photos, short, options.threads)]
    with tempfile.TemporaryDirectory() as temporary:
        store = Path(temporary) / "line"
        server = Server(options.bundle, store, "--threads", str(options.threads))
        end = time.perf_counter() + options.seconds
        started = time.perf_counter()
        seen = load(server.port, photos, options.clients, lambda: time.perf_counter() < end)
        seconds = time.perf_counter() - started
        code = server.stop()
        faults, stored = check_store(store, seen)
    bare.append(bare_rate(inspector, photos, short, options.threads))
    print(report(seen, stored, seconds, bare))
    faults += [each for one in seen for each in one.faults]
    faults += [f"the server ended with {code}"] if code else []
    acknowledged = sum(len(each.parts) for each in seen)
    faults += [f"{stored} stored, {acknowledged} acknowledged"] if stored != acknowledged else []
    print("\n".join(faults[:20]) or "No lost, mixed-up or repeated answer.")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
