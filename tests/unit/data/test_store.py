"""The decoded photos: the same wherever they are kept, and gone when they are given back."""

import multiprocessing
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.photos import made_store

from fastdefect.data.reading.images import fit_to
from fastdefect.data.store import PhotoStore


def _folder_of(store: PhotoStore) -> Path:
    assert store._file is not None
    return store._file.parent


def test_memory_and_file_hold_the_same() -> None:
    in_memory, in_file = made_store(5), made_store(5, limit_mb=0)
    assert "in memory" in in_memory.where
    assert "memory-mapped file" in in_file.where
    np.testing.assert_array_equal(in_memory[np.arange(5)], in_file[np.arange(5)])
    assert in_file[2].dtype == np.uint8
    in_file.close()


def test_rows_come_in_the_requested_order() -> None:
    store = made_store(6)
    rows = np.array([4, 0, 4])
    assert store[rows].shape == (3, 32, 32, 3)
    for position, row in enumerate(rows):
        np.testing.assert_array_equal(store[rows][position], store[row])
    assert len(store) == 6


def test_the_limit_decides_where_photos_go() -> None:
    # 16 photos of 256 px are 3 MiB to the byte.
    at_limit = PhotoStore(16, 256, "squish", limit_mb=3)
    above = PhotoStore(17, 256, "squish", limit_mb=3)
    assert at_limit.megabytes == 3
    assert "in memory" in at_limit.where
    assert "file" in above.where
    above.close()


def test_very_many_photos_are_counted_without_overflow() -> None:
    store = PhotoStore.__new__(PhotoStore)
    store._shape = (2_000_000, 224, 224, 3)
    assert store.megabytes == pytest.approx(2e6 * 224 * 224 * 3 / 2**20)


def test_a_mapped_store_pickles_as_a_path_and_reads_the_same(tmp_path: Path) -> None:
    store = made_store(40, limit_mb=0)
    data = pickle.dumps(store)
    assert len(data) < 2000  # a path, not the 120 kB of pixels
    copy = pickle.loads(data)
    np.testing.assert_array_equal(copy[np.arange(40)], store[np.arange(40)])
    assert copy.where == store.where
    # A worker's copy, when it is done with, must leave the file to the others.
    del copy
    assert _folder_of(store).exists()
    store.close()


def test_a_store_in_memory_pickles_too() -> None:
    store = made_store(3)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(store))[1], store[1])


def test_close_removes_the_file() -> None:
    store = made_store(3, limit_mb=0)
    folder = _folder_of(store)
    assert (folder / "photos.u8").stat().st_size == 3 * 32 * 32 * 3
    store.close()
    assert not folder.exists()
    store.close()  # twice does no harm


def test_a_forgotten_store_removes_its_file() -> None:
    store = made_store(3, limit_mb=0)
    folder = _folder_of(store)
    del store
    assert not folder.exists()


@pytest.mark.parametrize(("method", "place"), [("spawn", "file"), ("fork", "memory")])
def test_workers_that_do_not_share_memory_get_a_file(
    method: str, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multiprocessing, "get_start_method", lambda: method)
    store = made_store(3, shared=True)
    assert place in store.where
    store.close()
    alone = made_store(3, shared=False)
    assert "in memory" in alone.where


def _wide() -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Twice as wide as high; the left half red, the right half blue."""
    photo = np.zeros((32, 64, 3), np.uint8)
    photo[:, :32, 0] = 200
    photo[:, 32:, 2] = 200
    return photo


def test_squish_keeps_both_edges() -> None:
    store = PhotoStore(1, 32, "squish", limit_mb=1)
    store.put(0, _wide())
    np.testing.assert_array_equal(store[0][:, :14], np.broadcast_to([200, 0, 0], (32, 14, 3)))
    np.testing.assert_array_equal(store[0][:, 18:], np.broadcast_to([0, 0, 200], (32, 14, 3)))


def test_pad_keeps_both_edges_and_the_shape() -> None:
    store = PhotoStore(1, 32, "pad", limit_mb=1)
    store.put(0, _wide())
    photo = store[0][8:24]  # 32 x 16 in the middle, padding above and below
    np.testing.assert_array_equal(photo[2:-2, :14], np.broadcast_to([200, 0, 0], (12, 14, 3)))
    np.testing.assert_array_equal(photo[2:-2, 18:], np.broadcast_to([0, 0, 200], (12, 14, 3)))


@pytest.mark.parametrize("resize", ["squish", "pad"])
def test_photos_are_resized_by_the_one_function(resize: Any) -> None:
    photo = np.random.default_rng(0).integers(0, 256, (50, 37, 3)).astype(np.uint8)
    store = PhotoStore(1, 24, resize, limit_mb=1)
    store.put(0, photo)
    np.testing.assert_array_equal(store[0], fit_to(photo, 24, resize))


@pytest.mark.parametrize("limit_mb", [0, 64])
def test_another_process_maps_the_photos_of_a_store_on_file(limit_mb: int) -> None:
    store = made_store(5, limit_mb=limit_mb)
    on_file = store.on_file()
    assert (on_file is store) == (limit_mb == 0)
    mapped = pickle.loads(pickle.dumps(on_file))
    np.testing.assert_array_equal(mapped[np.arange(5)], store[np.arange(5)])
    assert mapped.frame == store.frame
    del mapped
    assert _folder_of(on_file).exists()  # it belongs to the first store
    on_file.close()
    assert not _folder_of(on_file).exists()


@pytest.mark.skipif(sys.platform == "win32", reason="a mapped file can't be deleted there")
def test_mapped_photos_outlive_their_file() -> None:
    store = made_store(5, limit_mb=0)
    mapped = pickle.loads(pickle.dumps(store))
    store.delete_file()
    assert not _folder_of(store).exists()
    for each in (store, mapped):
        np.testing.assert_array_equal(each[np.arange(5)], made_store(5)[np.arange(5)])


def test_photos_that_are_resized_already_are_stored_as_they_are() -> None:
    store, copy = made_store(5), made_store(5)
    copy.fill(1, store[np.array([3, 4])])
    np.testing.assert_array_equal(copy[1], store[3])
    np.testing.assert_array_equal(copy[2], store[4])
    np.testing.assert_array_equal(copy[0], store[0])
