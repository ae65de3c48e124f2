"""``fastdefect serve`` as a process: load, swaps, its end, and kills in the middle of work."""

import json
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from helpers.benchmarks import load
from helpers.serving import banded_bundle, png

from fastdefect import Inspector

bench: Any = load("serve")
needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="no such signals")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return banded_bundle(tmp_path / "tiny.fdb")


def known(bundle: Path, folder: Path) -> list[Any]:
    """Photos that differ, with the decisions on them."""
    folder.mkdir()
    paths = []
    for brightness in range(5, 250, 7):
        paths.append(folder / f"{brightness}.png")
        paths[-1].write_bytes(png(brightness, 64))
    found: list[Any] = bench.known_photos(Inspector(bundle, threads=1), paths)
    assert len({each.decision for each in found}) > 1
    return found


def for_seconds(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() < end


def faults_of(seen: Sequence[Any]) -> list[str]:
    return [fault for each in seen for fault in each.faults]


def get(port: int, path: str, method: str = "GET") -> tuple[int, Any]:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path)
    answer = connection.getresponse()
    found = answer.status, json.loads(answer.read())
    connection.close()
    return found


@needs_signals
def test_it_answers_and_ends_when_it_is_told(bundle: Path, tmp_path: Path) -> None:
    server = bench.Server(bundle, tmp_path / "line", "--threads", "1")
    photos = known(bundle, tmp_path / "photos")
    connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
    status, answer = bench.post(connection, photos[0], "17", None)
    assert (status, answer["decision"], answer["bundle"]) == (200, "reject", "tiny.fdb")
    assert get(server.port, "/readyz") == (200, {"status": "ok"})
    assert server.stop() == 0  # with a connection that is open
    connection.close()
    events = [json.loads(line) for line in server.lines]
    assert [each["event"] for each in events] == ["request", "request", "stopped"]
    assert events[0]["path"] == "/inspect"
    assert bench.check_store(tmp_path / "line", []) == ([], 1)


@pytest.mark.slow
def test_under_load_no_answer_is_lost_mixed_up_or_repeated(bundle: Path, tmp_path: Path) -> None:
    photos = known(bundle, tmp_path / "photos")
    server = bench.Server(bundle, tmp_path / "line")
    seen = bench.load(server.port, photos, 32, for_seconds(6))
    assert server.stop() == 0
    faults, stored = bench.check_store(tmp_path / "line", seen)
    assert faults_of(seen) + faults == []
    assert stored == sum(len(each.parts) for each in seen) > 100
    assert sum(each.repeated for each in seen) > 0


@pytest.mark.slow
@needs_signals
def test_a_swap_under_load_loses_nothing(bundle: Path, tmp_path: Path) -> None:
    other = banded_bundle(tmp_path / "other.fdb", threshold=0.0001)
    contents = [bundle.read_bytes(), other.read_bytes()]
    expected = {}
    for path in (bundle, other):
        inspector = Inspector(path, threads=1)
        for photo in known(path, tmp_path / path.stem):
            expected[inspector.scorer.identity, photo.sha256] = photo.decision
    photos = known(bundle, tmp_path / "photos")
    server = bench.Server(bundle, tmp_path / "line")
    going, answers = for_seconds(6), list[Any]()

    def ask(number: int) -> None:
        connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
        while going():
            photo = random.choice(photos)
            answers.append((photo, *bench.post(connection, photo, f"{number}", None)))
        connection.close()

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for i in range(1, 9):
        partial = tmp_path / "new.fdb"
        partial.write_bytes(contents[i % 2])
        partial.replace(bundle)
        if i % 3:
            server.process.send_signal(signal.SIGHUP)
        else:
            assert get(server.port, "/reload", "POST")[0] == 200
        time.sleep(0.5)
    for thread in threads:
        thread.join()
    assert server.stop() == 0
    assert {status for _, status, _ in answers} == {200}
    for photo, _, answer in answers:
        assert answer["decision"] == expected[answer["model"], photo.sha256]
    assert len({answer["model"] for _, _, answer in answers}) == 2


@pytest.mark.slow
@needs_signals
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_at_the_end_what_was_accepted_is_answered(
    bundle: Path, tmp_path: Path, how: signal.Signals
) -> None:
    photos = known(bundle, tmp_path / "photos")
    server = bench.Server(bundle, tmp_path / "line")
    ending = threading.Event()
    found: list[Any] = []
    loader = threading.Thread(
        target=lambda: found.extend(bench.load(server.port, photos, 8, lambda: not ending.is_set()))
    )
    loader.start()
    time.sleep(2)
    ending.set()  # from now on a refused connection is no fault
    assert server.stop(how) == 0
    loader.join()
    faults, stored = bench.check_store(tmp_path / "line", found)
    assert faults_of(found) + faults == []
    assert stored == sum(len(each.parts) for each in found) > 20


@pytest.mark.slow
@needs_signals
def test_a_kill_loses_no_acknowledged_answer(bundle: Path, tmp_path: Path) -> None:
    photos = known(bundle, tmp_path / "photos")
    chance = random.Random(7)
    for i in range(4):
        store = tmp_path / f"line{i}"
        server = bench.Server(bundle, store)
        killed = threading.Event()
        found: list[Any] = []
        loader = threading.Thread(
            target=lambda port=server.port, found=found, killed=killed: found.extend(
                bench.load(port, photos, 8, lambda: not killed.is_set())
            )
        )
        loader.start()
        time.sleep(chance.uniform(0.5, 2))
        killed.set()
        assert server.stop(signal.SIGKILL) == -signal.SIGKILL
        loader.join()
        faults, stored = bench.check_store(store, found)
        assert faults_of(found) + faults == []
        assert stored >= sum(len(each.parts) for each in found) > 0
        again = bench.Server(bundle, store)  # it starts on what is there
        assert get(again.port, "/readyz")[0] == 200
        assert get(again.port, "/today")[1]["total"] == stored
        assert again.stop() == 0


@pytest.mark.slow
def test_a_second_server_on_the_store_is_refused(bundle: Path, tmp_path: Path) -> None:
    server = bench.Server(bundle, tmp_path / "line")
    second = subprocess.run(
        [
            *(sys.executable, "-m", "fastdefect", "serve", str(bundle), "--port", "0"),
            "--store",
            str(tmp_path / "line"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert second.returncode == 1
    assert "another process uses this store" in second.stderr
    assert server.stop() == 0


@pytest.mark.slow
def test_heads_that_are_huge_or_never_end_are_given_up(bundle: Path, tmp_path: Path) -> None:
    server = bench.Server(bundle, tmp_path / "line")
    endless = b"GET /today HTTP/1.1\r\nHost: localhost\r\nX: "
    for head in (endless + b"x" * 200_000, b"\x16\x03\x01 no HTTP\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
            connection.sendall(head)
            assert connection.recv(100).startswith(b"HTTP/1.1 400")
    for head in (b"", endless):
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
            connection.sendall(head)
            assert connection.recv(100) == b""
    assert get(server.port, "/healthz")[0] == 200
    assert server.stop() == 0
