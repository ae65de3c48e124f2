import csv
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers import manifests
from helpers.encode import encode
from numpy.typing import NDArray
from PIL import Image

from fastdefect.data.audit.appearance import Appearance, measure_appearance
from fastdefect.data.audit.quality_checks import check_quality
from fastdefect.data.findings import Finding
from fastdefect.data.photos import Photo
from fastdefect.data.reading.images import read_photo
from fastdefect.data.reading.manifest import list_photos, read_photos
from fastdefect.sample.render import SampleSettings, render_sample

Pixels = NDArray[np.uint8]
RNG = np.random.default_rng(0)

# ---- real files --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 rendered photos of 128 px in two class folders."""
    sample, root = (tmp_path_factory.mktemp(name) for name in ("sample", "clean"))
    with render_sample(sample, SampleSettings(n=48, seed=11, size=128)).open(
        encoding="utf-8", newline=""
    ) as file:
        for row in csv.DictReader(file):
            (root / row["label"]).mkdir(exist_ok=True)
            shutil.copy(sample / row["path"], root / row["label"])
    return root


def found_in(root: Path) -> dict[str, Finding]:
    """The findings by kind, from files to the end."""
    looks: dict[int, Appearance] = {}
    listing = list_photos(root)
    manifest = read_photos(
        listing,
        good=(),
        on_photo=lambda row, image: looks.__setitem__(row, measure_appearance(image)),
    )
    found = check_quality(manifest.photos, [looks[photo.row] for photo in manifest.photos])
    assert len({finding.kind for finding in found}) == len(found)
    for finding in found:
        assert finding.value == len(finding.paths)
    return {finding.kind: finding for finding in found}


def test_a_clean_folder_gives_no_finding(clean: Path) -> None:
    assert found_in(clean) == {}


def jpeg(image: Pixels) -> bytes:
    return encode(image, "JPEG", quality=90)


def darker(image: Pixels) -> bytes:
    return jpeg((image * 0.3).astype(np.uint8))


def brighter(image: Pixels) -> bytes:
    return jpeg(np.clip(image * 2.2, 0, 255).astype(np.uint8))


def blurred(sigma: float) -> Callable[[Pixels], bytes]:
    return lambda image: jpeg(np.asarray(cv2.GaussianBlur(image, (0, 0), sigma)))


def capped(image: Pixels) -> bytes:
    """The lens cap is on: nothing but noise."""
    return jpeg(RNG.integers(0, 8, image.shape).astype(np.uint8))


def pages(image: Pixels) -> bytes:
    photo = Image.fromarray(image)
    return encode(photo, "TIFF", save_all=True, append_images=[photo, photo])


# Which photo by number gets which trouble, the suffix of its new name, and the kind found.
PLANTED: dict[int, tuple[Callable[[Pixels], bytes], str, str]] = {
    3: (lambda image: encode(image, "PNG"), ".jpg", "wrong_suffix"),
    8: (jpeg, ".png", "wrong_suffix"),
    13: (pages, ".tif", "animated"),
    18: (lambda image: jpeg(image[::2, ::2]), ".jpg", "odd_size"),
    23: (lambda image: jpeg(image[10:]), ".jpg", "odd_size"),
    28: (lambda image: encode(Image.fromarray(image).convert("P"), "PNG"), ".png", "odd_mode"),
    33: (capped, ".jpg", "blank"),
    38: (lambda image: jpeg(np.full_like(image, 140)), ".jpg", "blank"),
    43: (darker, ".jpg", "underexposed"),
    48: (darker, ".jpg", "underexposed"),
    53: (brighter, ".jpg", "overexposed"),
    58: (brighter, ".jpg", "overexposed"),
    63: (blurred(1.5), ".jpg", "out_of_focus"),
    68: (blurred(2.5), ".jpg", "out_of_focus"),
}


def plant(
    clean: Path, root: Path, chosen: dict[int, tuple[Callable[[Pixels], bytes], str, str]]
) -> dict[str, set[str]]:
    """A copy of ``clean`` with trouble: the names of the troubled photos by kind."""
    shutil.copytree(clean, root)
    expected: dict[str, set[str]] = {}
    for number, path in enumerate(sorted(root.rglob("*.jpg"))):
        if number in chosen:
            spoil, suffix, kind = chosen[number]
            data = spoil(read_photo(path))
            path.unlink()
            path.with_suffix(suffix).write_bytes(data)
            name = path.with_suffix(suffix).relative_to(root).as_posix()
            expected.setdefault(kind, set()).add(name)
    return expected


def test_precisely_what_was_planted_is_found(clean: Path, tmp_path: Path) -> None:
    expected = plant(clean, tmp_path / "spoilt", PLANTED)
    found = found_in(tmp_path / "spoilt")
    assert {kind: set(finding.paths) for kind, finding in found.items()} == expected
    info = {kind for kind, finding in found.items() if finding.severity == "info"}
    assert info == {"animated", "odd_mode"}
    assert {finding.severity for finding in found.values()} == {"info", "warning"}


@pytest.mark.parametrize("number", PLANTED)
def test_each_trouble_is_found_alone(clean: Path, tmp_path: Path, number: int) -> None:
    expected = plant(clean, tmp_path / "spoilt", {number: PLANTED[number]})
    found = found_in(tmp_path / "spoilt")
    assert {kind: set(finding.paths) for kind, finding in found.items()} == expected


# ---- made up looks -----------------------------------------------------------------------

NOTHING = np.zeros((64, 64, 3), np.uint8)
# Something to see, so that a photo isn't blank.
THUMBNAIL = (
    np.repeat(np.linspace(80, 180, 64)[:, None, None], 64, axis=1).astype(np.uint8) + NOTHING
)


def made_look(**changes: object) -> Appearance:
    return replace(Appearance(128.0, 40.0, 0.0, 0.0, 2.5, 10.0, THUMBNAIL), **changes)


def usual(n: int, seed: int = 0, light: float = 128.0) -> list[Appearance]:
    """``n`` photos that differ a little, as photos do."""
    rng = np.random.default_rng(seed)
    return [
        made_look(brightness=light + b, sharpness=2.5 + s)
        for b, s in zip(rng.normal(0, 5, n), rng.normal(0, 0.1, n), strict=True)
    ]


def made_photo(i: int, label: str = "good", **facts: object) -> Photo:
    photo = manifests.photo(f"{label}/{i:03}.png", label)
    return replace(photo, facts=replace(photo.facts, **facts))


def judged(looks: list[Appearance], photos: list[Photo] | None = None) -> dict[str, Finding]:
    photos = [made_photo(i) for i in range(len(looks))] if photos is None else photos
    return {finding.kind: finding for finding in check_quality(photos, looks)}


def test_no_photos_and_too_few_looks() -> None:
    assert check_quality([], []) == []
    with pytest.raises(ValueError, match="Expected an appearance for each of 1 photos, got 0"):
        check_quality([made_photo(0)], [])


def test_the_worst_come_first() -> None:
    odd = [made_look(brightness=value) for value in (60, 20, 40)]
    soft = [made_look(sharpness=value) for value in (1.4, 1.1, 1.2)]
    found = judged([*odd, *usual(80), *soft])
    assert found["underexposed"].paths == ("good/001.png", "good/002.png", "good/000.png")
    assert found["out_of_focus"].paths == ("good/084.png", "good/085.png", "good/083.png")


def test_the_message_has_count_names_distances_and_advice() -> None:
    odd = [made_look(brightness=float(20 + i)) for i in range(5)]
    message = judged([*odd, *usual(95)])["underexposed"].message
    assert message == (
        "5 of 100 photos are much darker than the rest: good/000.png (brightness 20, usual 128), "
        "good/001.png (brightness 21, usual 128), good/002.png (brightness 22, usual 128) and "
        "2 more. Photograph them again, or remove them if such light never occurs on the line."
    )
    message = judged([*usual(80), made_look(sharpness=1.4)])["out_of_focus"].message
    # sqrt((2.5^2 - 1) / (1.4^2 - 1)) is 2.3
    assert message.startswith(
        "1 of 81 photos is out of focus compared with the rest: good/080.png (edges 2.3"
    )


def test_a_class_in_another_light_is_no_outlier() -> None:
    # Few of them, many of them, too few to know their spread: a shortcut, but no bad photos.
    for n in (8, 30, 100):
        photos = [made_photo(i) for i in range(200)] + [made_photo(i, "bad") for i in range(n)]
        dark = [replace(look, sharpness=1.4) for look in usual(n, 1, light=60)]
        assert judged(usual(200) + dark, photos) == {}


def test_a_second_light_within_a_class_is_no_outlier() -> None:
    assert judged(usual(200) + usual(50, 1, light=60)) == {}
    assert set(judged(usual(200) + usual(10, 1, light=60))) == {"underexposed"}


def test_the_light_of_the_other_class_is_no_trouble() -> None:
    photos = [made_photo(i) for i in range(100)] + [made_photo(i, "bad") for i in range(100)]
    looks = [*usual(99), made_look(brightness=60), *usual(100, 1, light=60)]
    assert judged(looks, photos) == {}


def test_a_soft_photo_of_a_sharp_class_is_found_though_others_are_softer() -> None:
    photos = [made_photo(i) for i in range(100)] + [made_photo(i, "bad") for i in range(100)]
    soft = [replace(look, sharpness=1 + 0.2 * (look.sharpness - 1)) for look in usual(100, 1)]
    found = judged([*usual(99), made_look(sharpness=1.4), *soft], photos)
    assert {kind: finding.paths for kind, finding in found.items()} == {
        "out_of_focus": ("good/099.png",)
    }


def test_tiny_differences_are_none_however_alike_the_rest() -> None:
    alike = [made_look() for _ in range(99)]
    assert judged([*alike, made_look(brightness=110, sharpness=2.2)]) == {}


def test_a_wide_spread_hides_what_is_usual_in_it() -> None:
    looks = [made_look(brightness=float(b)) for b in np.linspace(40, 220, 100)]
    assert judged(looks) == {}


def test_nineteen_photos_are_too_few_for_a_typical_value() -> None:
    odd = made_look(brightness=20, sharpness=1.05)
    assert judged([*usual(18), odd]) == {}
    assert set(judged([*usual(19), odd])) == {"underexposed", "out_of_focus"}


def test_blank_is_only_blank() -> None:
    nothing = made_look(brightness=0, contrast=0.5, sharpness=1, colour=0, thumbnail=NOTHING)
    noise = made_look(brightness=3, contrast=9, sharpness=5, colour=0, thumbnail=NOTHING)
    found = judged([*usual(80), noise, nothing])
    assert set(found) == {"blank"}
    assert found["blank"].paths == ("good/081.png", "good/080.png")


def test_a_fine_texture_is_not_blank() -> None:
    # In the thumbnail nothing is left of a weave, but of none of its photos.
    assert judged([made_look(thumbnail=NOTHING) for _ in range(80)]) == {}


def sized(sizes: list[tuple[int, int]]) -> dict[str, Finding]:
    photos = [
        replace(made_photo(i), width=width, height=height)
        for i, (width, height) in enumerate(sizes)
    ]
    return judged(usual(len(sizes)), photos)


def test_odd_sizes_where_nearly_all_share_one() -> None:
    found = sized([(512, 512)] * 90 + [(500, 512), (64, 64), (512, 512)])["odd_size"]
    assert found.paths == ("good/091.png", "good/090.png")
    assert "of another size than the rest (512 x 512): good/091.png (64 x 64)" in found.message
    assert set(sized([(640, 480)] * 50 + [(480, 640)])) == {"odd_size"}  # turned


def test_a_second_size_is_not_odd() -> None:
    assert sized([(512, 512)] * 90 + [(600, 600)] * 9) == {}
    assert sized([(512, 512)] * 50 + [(600, 600)] * 50) == {}


def test_odd_sizes_where_no_two_are_alike() -> None:
    rng = np.random.default_rng(0)
    crops = [(int(w), int(h)) for w, h in rng.normal((400, 300), 20, (100, 2))]
    assert sized(crops) == {}
    found = sized([*crops, (900, 130), (90, 70)])["odd_size"]
    assert found.paths == ("good/101.png", "good/100.png")
    assert "the rest (about 397 x 301)" in found.message


def stored(modes: list[str], colours: list[float] | None = None) -> dict[str, Finding]:
    photos = [made_photo(i, mode=mode) for i, mode in enumerate(modes)]
    looks = usual(len(modes))
    if colours is not None:
        looks = [replace(look, colour=c) for look, c in zip(looks, colours, strict=True)]
    return judged(looks, photos)


@pytest.mark.parametrize(
    ("mode", "word", "severity"),
    [
        ("L", "grey", "info"),
        ("P", "palette", "info"),
        ("RGBA", "with transparency", "info"),
        ("CMYK", "CMYK", "info"),
        ("I;16", "16 bits", "warning"),
        ("RGB;16", "16 bits", "warning"),
        ("F", "16 bits", "warning"),
    ],
)
def test_odd_modes(mode: str, word: str, severity: str) -> None:
    found = stored(["RGB"] * 60 + [mode] * 2)["odd_mode"]
    assert found.paths == ("good/060.png", "good/061.png")
    assert found.severity == severity
    assert f"than the rest (colour): good/060.png ({word})" in found.message


def test_byte_orders_are_no_modes() -> None:
    assert stored(["I;16"] * 60 + ["I;16B"]) == {}


def test_a_second_mode_is_not_odd() -> None:
    assert stored(["RGB"] * 60 + ["L"] * 6) == {}


def test_grey_among_colour_and_colour_among_grey_matter() -> None:
    found = stored(["RGB"] * 60 + ["P"], [9.0] * 59 + [0.0, 9.0])["odd_mode"]
    assert found.severity == "warning"
    assert found.paths == ("good/059.png", "good/060.png")  # the harmful one first
    assert "good/059.png (grey), good/060.png (palette)" in found.message
    found = stored(["RGB"] * 60, [0.0] * 59 + [20.0])["odd_mode"]
    assert "good/059.png (coloured)" in found.message


def test_a_nearly_grey_part_is_not_grey() -> None:
    # Bare metal: some photos have a tint and some have none.
    assert stored(["RGB"] * 100, list(np.linspace(0, 5, 100))) == {}


def test_animations_are_counted() -> None:
    photos = [made_photo(i, frames=frames) for i, frames in enumerate([1] * 30 + [2, 12])]
    found = judged(usual(32), photos)["animated"]
    assert found.paths == ("good/031.png", "good/030.png")
    assert "Only the first one is used" in found.message
