"""Mutated photos, bombs and other files: read, or rejected with a reason, and nothing else.

``benchmarks/hostile.py`` reads ten thousand of them, under limits of memory and time.
"""

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import cv2
import pytest
from helpers.benchmarks import load
from helpers.encode import encode, picture
from helpers.examples import examples
from helpers.hostile_photos import bombs_by_name, corpus
from helpers.mutations import mutated
from hypothesis import HealthCheck, given, target
from hypothesis import strategies as st
from PIL import Image

from fastdefect.data.reading.file_facts import read_facts
from fastdefect.data.reading.images import Reading, UnreadablePhoto, decode, pixel_count

pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")
SMALL = Reading(max_megapixels=2)


@pytest.mark.parametrize("name", corpus())
def test_each_sound_photo_of_the_corpus_is_read(name: str) -> None:
    kind, data = corpus()[name]
    found = decode(data, "x")
    assert found.pixels.shape == (found.height, found.width, 3)
    assert pixel_count(data) == found.width * found.height
    assert read_facts(data, Path("x")).kind == kind


def _read(data: bytes) -> None:
    pixel_count(data)
    read_facts(data, Path("x.png"))
    with suppress(UnreadablePhoto):
        decode(data, "x", SMALL)


@contextmanager
def _lines_of(parts: tuple[str, ...]) -> Iterator[set[tuple[str, int]]]:
    """The lines that run in the files whose path has one of ``parts``."""
    seen: set[tuple[str, int]] = set()

    def on_line(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            seen.add((frame.f_code.co_filename, frame.f_lineno))
        return on_line

    def on_call(frame: FrameType, _: str, __: Any) -> Any:
        return on_line if any(part in frame.f_code.co_filename for part in parts) else None

    before = sys.gettrace()
    sys.settrace(on_call)
    try:
        yield seen
    finally:
        sys.settrace(before)


_READERS = ("fastdefect/data/reading/", "PIL/")


def _guided(files: tuple[str, ...], seed: int, times: int) -> None:
    """Read a mutated photo; Hypothesis searches for those that reach more lines of the readers."""
    rng = random.Random(seed)
    kind, data = corpus()[files[0]]
    others = [corpus()[name][1] for name in files]
    for _ in range(times):
        data = mutated(data or b"\0", kind, others, rng)
    with _lines_of(_READERS) as lines:
        _read(data)
    target(float(len(lines)), label=kind)


# The same examples each time: benchmarks/hostile.py searches on, with another --seed.
_SHARED: Any = {"derandomize": True, "suppress_health_check": [HealthCheck.too_slow]}

_FILES = st.lists(st.sampled_from(sorted(corpus())), min_size=1, max_size=2).map(tuple)


@examples(200, **_SHARED)
@given(_FILES, st.integers(0, 2**32), st.integers(1, 3))
def test_a_mutated_photo_is_read_or_rejected(files: tuple[str, ...], seed: int, times: int) -> None:
    _guided(files, seed, times)


@pytest.mark.slow
@examples(1500, **_SHARED)
@given(_FILES, st.integers(0, 2**32), st.integers(1, 4))
def test_many_mutated_photos(files: tuple[str, ...], seed: int, times: int) -> None:
    _guided(files, seed, times)


_REFUSED = {
    "PNG 30000 x 30000 of 1 bit": "too large",
    "PNG 60000 x 60000 without pixels": "too large",
    "PNG 2147483647 x 2147483647": "too large",
    "PNG 12000 x 12000 of one colour": "too large",
    "PNG text of 400 MB": "damaged",
    "TIFF 60000 x 60000 deflate": "too large",
    "TIFF 13000 x 13000 deflate": "too large",
    "TIFF 13000 x 13000 of 64 bits": "too large",
    "GIF 65535 x 65535": "too large",
    "GIF 9000 x 9000 with 5000 frames": "too large",
    "JPEG 65500 x 65500": "too large",
    "JPEG 12000 x 12000": "too large",
    "BMP 30000 x 30000 RLE": "too large",
    "BMP 12000 x 12000 RLE": "too large",
    "BMP 2147483647 wide": "too large",
    "WebP 9000 x 9000": "too large",
    "HEIC 60000 x 60000": "damaged|too large|too many",
    "PNM 99999999 x 99999999": "too large",
    "PFM 99999 x 99999": "too large",
}
# These take seconds to write.
_LARGE = ("1 bit", "12000 of one", "deflate", "WebP", "text")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if any(w in name for w in _LARGE) else ())
        for name in _REFUSED
    ],
)
def test_the_size_is_checked_before_anything_is_decoded(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = bombs_by_name()[name]()
    loads: list[str] = []
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda *_: loads.append(name))
    monkeypatch.setattr("cv2.imdecode", lambda *_: loads.append(name))
    with pytest.raises(UnreadablePhoto, match=_REFUSED[name]):
        decode(data, "x", Reading(max_megapixels=50))
    assert not loads


def test_a_jpeg_with_fewer_bits_than_blocks_is_truncated() -> None:
    # Its decoder would make 144 megapixels of grey from 938 bytes.
    with pytest.raises(UnreadablePhoto, match="truncated JPEG"):
        decode(bombs_by_name()["JPEG 12000 x 12000"](), "x")


@pytest.mark.parametrize(
    "error", [MemoryError(), cv2.error("(-4:Insufficient memory) Failed to allocate 9 bytes")]
)
def test_a_lack_of_memory_is_no_damage(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: object) -> None:
        raise error

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    with pytest.raises(UnreadablePhoto, match="not enough memory for its pixels"):
        decode(corpus()["PNG RGB"][1], "x")


def test_a_palette_that_is_lost_is_damage() -> None:
    """Pillow fails by an assertion: found by the benchmark, in photo 2765 of seed 1."""
    data = encode(Image.fromarray(picture()).quantize(16), "PNG")
    at = data.index(b"PLTE") - 4
    size = int.from_bytes(data[at : at + 4], "big")
    with pytest.raises(UnreadablePhoto, match="damaged or unknown PNG"):
        decode(data[:at] + data[at + 12 + size :], "x")


def test_the_pixels_of_a_tiff_that_only_opencv_reads_are_counted() -> None:
    # serve compares them with its own limit, and threads share a limit of their sum.
    _, data = corpus()["TIFF float colour"]
    assert pixel_count(data) == 30 * 20


@pytest.mark.parametrize("what", ["photos", "files"])
def test_the_benchmark_reads_and_rejects(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    hostile = load("hostile")
    # Without number 0, a bomb, whose place is taken by the limits below.
    series = hostile.Series(_case_of(what), seed=7, count=25, memory=4000, seconds=60)
    failures: list[Any] = []
    series.run(failures.append)
    assert not failures
    results = {each.result for each in series.outcomes}
    assert results <= {hostile.READ, hostile.REJECTED}
    assert [each.index for each in series.outcomes] == list(range(25))


def _case_of(what: str) -> Callable[[int, int, Path], Any]:
    module = load(f"hostile_{what.removesuffix('s')}_reader")
    case_of = getattr(module, f"{what.removesuffix('s')}_case")
    return lambda seed, index, folder: case_of(seed, index + 1, folder)


def test_the_benchmark_counts_what_ends_its_process() -> None:
    hostile = load("hostile")

    def case_of(seed: int, index: int, folder: Path) -> Any:
        def read() -> None:
            if index == 1:
                raise KeyError("a bug")
            if index == 2:
                sys.exit(9)
            if index == 3:
                bytearray(1 << 40)

        return "x", b"", read

    series = hostile.Series(case_of, seed=1, count=5, memory=500, seconds=30)
    series.run(lambda _: None)
    results = [each.result for each in series.outcomes]
    assert results[0] == results[4] == hostile.READ
    assert results[1] == "KeyError: 'a bug'"
    assert results[2] == "crash: 9"
    assert results[3].startswith("MemoryError")
