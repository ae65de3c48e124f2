"""Keypoints on the disk: read again by later commands, never trusted when damaged, bounded."""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from fastdefect.aliases import Pixels
from fastdefect.data.parts import keypoint_store
from fastdefect.data.parts.keypoint_store import KeypointStore, StoredKeypoints
from fastdefect.data.parts.keypoints import Keypoints, detect, small_copy
from fastdefect.errors import DataError

RNG = np.random.default_rng(3)
PHOTOS: list[Pixels] = [RNG.integers(0, 255, (48, 40, 3)).astype(np.uint8) for _ in range(6)]
BLANK: Pixels = np.zeros((48, 40, 3), np.uint8)


_detect = cache(lambda content, shape: detect(np.frombuffer(content, np.uint8).reshape(shape)))


@pytest.fixture(autouse=True)
def detected_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The search for keypoints takes most of the time of these tests."""
    found = lambda small: _detect(small.tobytes(), small.shape)  # noqa: E731
    monkeypatch.setattr(keypoint_store, "detect", found)


def _expected(photo: Pixels) -> Keypoints:
    small = small_copy(photo)
    return _detect(small.tobytes(), small.shape)


def _same(one: Keypoints, other: Keypoints) -> bool:
    fields = ("places", "sizes", "angles", "packed")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in fields)


def _filled(folder: Path | None, photos: list[Pixels]) -> tuple[KeypointStore, list[bytes]]:
    store = KeypointStore(folder)
    digests = [store.add(photo) for photo in photos]
    store.save()
    return store, digests


@pytest.mark.parametrize("cached", [False, True])
def test_stored_keypoints_are_those_that_were_found(tmp_path: Path, cached: bool) -> None:
    store, digests = _filled(tmp_path / "new" if cached else None, [*PHOTOS, BLANK])
    stored = StoredKeypoints(store, digests)
    assert len(stored) == 7
    assert all(
        _same(one, _expected(photo)) for one, photo in zip(stored, [*PHOTOS, BLANK], strict=True)
    )
    assert _same(stored[1:3][1], stored[2])
    assert len(stored[6]) == 0


def test_a_later_command_finds_nothing_again(tmp_path: Path) -> None:
    _, digests = _filled(tmp_path, PHOTOS)
    later, again = _filled(tmp_path, [*PHOTOS, BLANK])
    assert later.computed == 1
    assert again[:6] == digests
    assert all(_same(later.get(d), _expected(p)) for d, p in zip(again, PHOTOS, strict=False))


def test_a_photo_in_another_file_is_the_same_photo(tmp_path: Path) -> None:
    store, digests = _filled(tmp_path, [PHOTOS[0], PHOTOS[0].copy()])
    assert store.computed == 1
    assert digests[0] == digests[1] != store.add(PHOTOS[1])


def test_other_code_or_another_opencv_never_meets_earlier_keypoints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, digests = _filled(tmp_path, PHOTOS[:1])
    monkeypatch.setattr(keypoint_store, "code_digest", lambda *names: "changed")
    assert KeypointStore(tmp_path).add(PHOTOS[0]) != digests[0]


def test_a_file_of_an_earlier_format_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keypoint_store, "FORMAT", "fastdefect-keypoints-1")
    _filled(tmp_path, PHOTOS)
    assert _filled(tmp_path, PHOTOS)[0].computed == 0
    monkeypatch.undo()
    assert keypoint_store.FORMAT != "fastdefect-keypoints-1"
    assert _filled(tmp_path, PHOTOS)[0].computed == 6


@pytest.mark.parametrize("at", [0, 9, 400, -30, -1])
def test_a_damaged_file_is_computed_again(tmp_path: Path, at: int) -> None:
    _filled(tmp_path, PHOTOS)
    (path,) = tmp_path.iterdir()
    content = bytearray(path.read_bytes())
    content[at] ^= 0xFF
    path.write_bytes(bytes(content))
    store, digests = _filled(tmp_path, PHOTOS)
    assert store.computed > 0
    assert all(_same(store.get(d), _expected(p)) for d, p in zip(digests, PHOTOS, strict=True))


@pytest.mark.parametrize("content", [b"", b"\x02\0\0\0\0\0\0\0{}", b"\xff" * 40])
def test_another_file_is_ignored(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other.safetensors").write_bytes(content)
    (tmp_path / "notes.txt").write_text("mine")
    assert _filled(tmp_path, PHOTOS)[0].computed == 6


def test_a_file_that_was_cut_is_computed_again(tmp_path: Path) -> None:
    _filled(tmp_path, PHOTOS)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-1])
    assert _filled(tmp_path, PHOTOS)[0].computed == 6


def test_memory_is_bounded_and_small_files_are_joined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keypoint_store, "_FILE_BYTES", 1)  # each photo at once
    store, _ = _filled(tmp_path, PHOTOS)
    assert len(list(tmp_path.iterdir())) == 6
    assert not store._new
    monkeypatch.setattr(keypoint_store, "_FILE_BYTES", 2**20)
    monkeypatch.setattr(keypoint_store, "_SMALL_FILES", 6)
    later, digests = _filled(tmp_path, PHOTOS)
    assert later.computed == 0
    assert len(list(tmp_path.iterdir())) == 1
    last = KeypointStore(tmp_path)
    for digest, photo in zip(digests, PHOTOS, strict=True):
        assert _same(later.get(digest), _expected(photo))
        assert _same(last.get(digest), _expected(photo))


def test_files_that_are_deleted_meanwhile_can_be_read(tmp_path: Path) -> None:
    store, digests = _filled(tmp_path, PHOTOS)
    if os.name == "nt":
        pytest.skip("Windows does not delete open files")
    for path in tmp_path.iterdir():
        path.unlink()
    assert _same(store.get(digests[2]), _expected(PHOTOS[2]))


def test_a_file_that_can_no_longer_be_read_is_named(tmp_path: Path) -> None:
    store, digests = _filled(tmp_path, PHOTOS[:2])
    (path,) = tmp_path.iterdir()
    path.write_bytes(b"")
    with pytest.raises(DataError, match=path.name):
        store.get(digests[0])


def test_files_that_are_not_used_are_not_open(tmp_path: Path) -> None:
    _filled(tmp_path, PHOTOS[:1])
    _filled(tmp_path, PHOTOS[1:])
    store, _ = _filled(tmp_path, PHOTOS[:1])
    assert [file._file is not None for file in store._files].count(True) == 1


def test_the_folder_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _filled(tmp_path, PHOTOS[:3])
    (old,) = tmp_path.iterdir()
    os.utime(old, (1000, 1000))
    monkeypatch.setattr(keypoint_store, "FOLDER_MB", old.stat().st_size * 1.5 / 2**20)
    _filled(tmp_path, PHOTOS[3:])
    assert len(list(tmp_path.iterdir())) == 1
    assert not old.exists()


def test_what_cannot_be_written_stays_in_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    store, digests = _filled(tmp_path / "file", PHOTOS)
    assert _same(store.get(digests[5]), _expected(PHOTOS[5]))
    assert (tmp_path / "file").read_text() == "not a folder"


def test_several_threads_fill_a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keypoint_store, "_FILE_BYTES", 20_000)
    store = KeypointStore(tmp_path)
    with ThreadPoolExecutor(4) as pool:
        digests = list(pool.map(store.add, PHOTOS * 3))
    store.save()
    assert len(set(digests)) == 6
    assert all(_same(store.get(d), _expected(p)) for d, p in zip(digests, PHOTOS, strict=False))
