"""Pages of heat maps."""

from pathlib import Path

import numpy as np
from PIL import Image

from fastdefect.reporting.sheets.explain import Shown, draw_explained

PHOTO = np.full((20, 30, 3), 90, np.uint8)


def _shown(n: int, confirmed: bool = True) -> list[Shown]:
    return [(PHOTO, f"defect → good {i}", "middle", "x.png", confirmed) for i in range(n)]


def test_many_photos_are_several_pages_and_old_pages_go(tmp_path: Path) -> None:
    (tmp_path / "sheet-9.png").write_bytes(b"old")
    files = draw_explained(tmp_path, [("Escapes", _shown(41)), ("Surest", _shown(3))], title="r")
    assert [file.name for file in files] == ["sheet-1.png", "sheet-2.png"]
    assert sorted(tmp_path.iterdir()) == files


def test_a_place_that_is_not_confirmed_and_a_warning_are_visible(tmp_path: Path) -> None:
    sizes = {}
    for name, confirmed, warning in (("a", True, ""), ("b", False, "maps do not pass")):
        folder = tmp_path / name
        folder.mkdir()
        (file,) = draw_explained(
            folder, [("Escapes", _shown(1, confirmed))], title="r", warning=warning
        )
        with Image.open(file) as picture:
            sizes[name] = picture.height
            framed = (np.asarray(picture) == (0xD5, 0x5E, 0x00)).all(axis=2).any()
        assert framed == (not confirmed)
    assert sizes["b"] > sizes["a"]
