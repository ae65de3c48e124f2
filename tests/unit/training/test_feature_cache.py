"""Features on disk: cached ones are not computed again, and never used for other inputs."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.nets import tiny_backbone
from helpers.photos import CPU, PREPROCESSING, made_store
from numpy.typing import NDArray
from torch import nn

from fastdefect.training import feature_cache
from fastdefect.training.feature_cache import FeatureCache
from fastdefect.training.features import FrozenBackbone

ROWS = list(range(3, 40))  # more than a batch


def _body() -> nn.Module:
    return tiny_backbone().body.eval()


def _cache(folder: Path | None, body: nn.Module | None = None) -> FeatureCache:
    return FeatureCache(FrozenBackbone(body or _body(), PREPROCESSING, CPU), folder)


def _kept(folder: Path, rows: list[int] = ROWS) -> NDArray[np.float32]:
    cache = _cache(folder)
    found = cache.features(made_store(40), rows)
    cache.save()
    return found


def test_known_photos_are_not_computed_again(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "there yet"
    first, told = _kept(folder), []
    expected = FrozenBackbone(_body(), PREPROCESSING, CPU).features(made_store(40), ROWS)
    np.testing.assert_array_equal(first, expected)
    cache = _cache(folder)
    np.testing.assert_array_equal(cache.features(made_store(40), ROWS[::-1]), first[::-1])
    assert cache.computed == 0
    cache.features(made_store(40), [0, *ROWS[:4], 1, 2], on_batch=told.append)
    assert (cache.computed, told) == (3, [7])


@pytest.mark.parametrize("kept", [ROWS[:1], ROWS[::2], ROWS[5:30]])
def test_features_do_not_depend_on_what_was_cached(kept: list[int], tmp_path: Path) -> None:
    _kept(tmp_path, kept)
    whole = _cache(None).features(made_store(40), ROWS)
    assert _cache(tmp_path).features(made_store(40), ROWS).tobytes() == whole.tobytes()


def test_a_photo_of_other_pixels_is_another(tmp_path: Path) -> None:
    plain, mirrored = _kept(tmp_path), np.stack([made_store(40)[row][:, ::-1] for row in ROWS])
    cache = _cache(tmp_path)
    changed = cache.features(mirrored, range(len(ROWS)))
    assert cache.computed == len(ROWS)
    assert np.abs(changed - plain).max() > 1e-4
    cache.save()
    again = _cache(tmp_path)
    np.testing.assert_array_equal(again.features(mirrored, range(len(ROWS))), changed)
    np.testing.assert_array_equal(again.features(made_store(40), ROWS), plain)
    assert again.computed == 0


def test_another_network_has_no_cached_features(tmp_path: Path) -> None:
    _kept(tmp_path)
    other = _body()
    with torch.no_grad():
        next(other.parameters())[0, 0, 0, 0] += 1e-3
    cache = _cache(tmp_path, other)
    cache.features(made_store(40), ROWS)
    assert cache.computed == len(ROWS)


def _cut_short(content: bytes) -> bytes:
    return content[:-7]


def _one_bit_flipped(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


def _of_zeros(content: bytes) -> bytes:
    return bytes(len(content))


def _empty(content: bytes) -> bytes:
    return b""


@pytest.mark.parametrize("damage", [_cut_short, _one_bit_flipped, _of_zeros, _empty])
def test_a_damaged_file_is_ignored_and_replaced(
    damage: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    expected = _kept(tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_bytes(damage(path.read_bytes()))
    cache = _cache(tmp_path)
    np.testing.assert_array_equal(cache.features(made_store(40), ROWS), expected)
    assert cache.computed == len(ROWS)
    cache.save()
    replaced = _cache(tmp_path)
    replaced.features(made_store(40), ROWS)
    assert replaced.computed == 0


def test_a_full_file_drops_what_was_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feature_cache, "_MIB", 4 * 8 * 10)  # room for ten vectors
    monkeypatch.setattr(feature_cache, "FILE_MB", 1)
    _kept(tmp_path, ROWS[:10])
    _kept(tmp_path, ROWS[8:14])
    cache = _cache(tmp_path)
    cache.features(made_store(40), ROWS[8:14])
    assert cache.computed == 0
    cache.features(made_store(40), ROWS[:8])
    assert cache.computed == 4


def test_a_full_folder_drops_the_least_recently_used_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for age, name in enumerate("abc"):
        old = tmp_path / f"{name}.safetensors"
        old.write_bytes(bytes(40_000))
        os.utime(old, (1000 - age, 1000 - age))
    monkeypatch.setattr(feature_cache, "FOLDER_MB", 100_000 / 2**20)
    _kept(tmp_path)
    assert {path.stem for path in tmp_path.iterdir() if len(path.stem) == 1} == {"a", "b"}


def test_no_folder_keeps_nothing() -> None:
    cache = _cache(None)
    cache.features(made_store(40), ROWS)
    cache.save()
    assert cache.computed == len(ROWS)
