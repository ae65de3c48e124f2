"""The limit on what reading threads decode at once."""

from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from time import sleep

from fastdefect.data.reading.gate import PixelGate


def _most_at_once(sizes: list[int], limit: int) -> int:
    gate, lock = PixelGate(limit), Lock()
    inside, seen = [0], [0]

    def read(pixels: int) -> None:
        with gate.hold(pixels):
            with lock:
                inside[0] += pixels
                seen.append(inside[0])
            sleep(0.002)
            with lock:
                inside[0] -= pixels

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(read, sizes))
    return max(seen)


def test_large_photos_wait_for_each_other() -> None:
    assert _most_at_once([40_000_000] * 20, 100_000_000) <= 80_000_000


def test_one_that_is_larger_than_the_limit_enters_alone() -> None:
    assert _most_at_once([300_000_000] * 3, 100_000_000) == 300_000_000


def test_ordinary_photos_do_not_wait() -> None:
    gate = PixelGate(1)
    with gate.hold(12_000_000), gate.hold(12_000_000):
        pass


def test_an_error_frees_its_place() -> None:
    gate = PixelGate(100_000_000)
    for _ in range(3):
        try:
            with gate.hold(90_000_000):
                raise ValueError
        except ValueError:
            pass
