"""Photos in the file are as large as the limit allows, and never larger."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from helpers.encode import encode
from PIL import Image

from fastdefect.reporting.html.thumbnails import LIMIT, SIZES, overlay, overlays, thumbnails


def _photos(folder: Path, n: int, size: int = 160) -> list[Path]:
    noise = np.random.default_rng(0).integers(0, 255, (size, size, 3)).astype(np.uint8)
    paths = [folder / f"{i}.png" for i in range(n)]
    for path in paths:
        path.write_bytes(encode(noise, "PNG"))
    return paths


def _opened(url: str) -> Image.Image:
    kind, _, content = url.partition(";base64,")
    assert kind in ("data:image/jpeg", "data:image/png")
    return Image.open(io.BytesIO(base64.b64decode(content)))


def test_few_photos_are_large(tmp_path: Path) -> None:
    paths = _photos(tmp_path, 2)
    made, size = thumbnails(paths)
    assert size == SIZES[0]
    assert _opened(made[paths[0]]).size == (160, 160)  # never enlarged


@pytest.mark.parametrize("limit", [30_000, 12_000])
def test_the_urls_keep_the_limit(tmp_path: Path, limit: int) -> None:
    made, size = thumbnails(_photos(tmp_path, 6), limit=limit)
    assert len(made) == 6
    assert size != SIZES[0]
    assert sum(map(len, made.values())) < limit


def test_heat_maps_count_for_the_limit(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    maps = [rng.random((60, 60)).astype(np.float32) for _ in range(3)]
    paths = _photos(tmp_path, 3, size=96)
    drawn = overlays(maps, limit=20_000)
    used = sum(map(len, drawn))
    assert 0 < used <= 0.3 * 20_000
    made, size = thumbnails(paths, limit=20_000, used=used)
    assert used + sum(map(len, made.values())) < 0.86 * 20_000
    assert size.side < thumbnails(paths, limit=20_000)[1].side
    assert overlays([]) == []


def test_an_unreadable_photo_has_no_picture(tmp_path: Path) -> None:
    (paths := _photos(tmp_path, 2))[1].write_bytes(b"no photo")
    made, _ = thumbnails(paths)
    assert list(made) == paths[:1]
    assert thumbnails([])[0] == {}


def test_a_heat_map_is_more_opaque_where_it_is_higher() -> None:
    heat = np.array([[0.0, 1.0], [0.5, np.nan]], np.float32)
    alpha = np.asarray(_opened(overlay(heat)))[..., 3]
    assert alpha.tolist() == [[0, 200], [100, 0]]


@pytest.mark.slow
def test_two_thousand_rendered_photos_keep_the_limit(tmp_path: Path) -> None:
    from fastdefect.sample.render import SampleSettings, render_sample

    render_sample(tmp_path, SampleSettings(n=40, seed=1, size=256, difficulty=1))
    rendered = sorted((tmp_path / "photos").glob("*.jpg"))
    paths = [tmp_path / f"copy-{i}.jpg" for i in range(2000)]
    for i, path in enumerate(paths):
        path.hardlink_to(rendered[i % len(rendered)])
    made, size = thumbnails(paths)
    assert len(made) == 2000
    assert size.side >= 128
    assert sum(map(len, made.values())) < LIMIT
