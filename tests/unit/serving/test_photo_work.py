from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from helpers.bundles import tiny_bundle
from helpers.serving import DARK, banded_bundle, png
from helpers.stores import photo_of_line

from fastdefect.data.reading.damage import UnreadablePhoto
from fastdefect.data.reading.gate import PixelGate
from fastdefect.inference.bundle import read_bundle
from fastdefect.inference.card import Rule
from fastdefect.inference.inspector import bundle_scorer
from fastdefect.inference.scorer import Scorer
from fastdefect.jobs.serve import load
from fastdefect.serving.photo_work import (
    MEDIA_TYPES,
    Sent,
    decide_on,
    missing_views,
    product_of,
    view_of,
)
from fastdefect.serving.records import Photo


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    return load(banded_bundle(tmp_path_factory.mktemp("bundle") / "tiny.fdb"))[0]


def decided(scorer: Scorer, brightness: int, most: float = 100) -> Photo:
    return decide_on(scorer, Sent("a.png", png(brightness)), PixelGate(), most)


def test_a_photo_has_its_hash_and_its_media_type(scorer: Scorer) -> None:
    photo = decided(scorer, DARK)
    assert (photo.decision, photo.name, photo.kind) == ("reject", "a.png", "image/png")
    assert photo.sha256 == sha256(png(DARK)).hexdigest()
    assert photo.milliseconds > 0


def test_a_photo_above_the_limit_of_the_server_is_not_decoded(scorer: Scorer) -> None:
    with pytest.raises(UnreadablePhoto, match="more than the 0.0001 of this server"):
        decided(scorer, DARK, 0.0001)


def test_each_kind_that_is_read_has_a_media_type() -> None:
    from fastdefect.data.reading.formats import FORMATS

    assert MEDIA_TYPES.keys() == FORMATS.keys()


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        (["7_cam1.jpg", "7_cam3.jpg"], ("2",)),
        (["7_cam1.jpg", "7_cam2.jpg", "7_cam3.jpg"], ()),
        (["7_cam1.jpg", "photo.jpg"], ("2", "3")),
        (["photo.jpg", ""], ()),  # nothing is known
        (["x" * 300 + "_cam1.jpg"], ()),  # in long names the pattern of a bundle is not searched
    ],
)
def test_views_are_missed_by_the_names_of_the_photos(
    scorer: Scorer, names: list[str], missing: tuple[str, ...]
) -> None:
    knowing = replace(scorer, view_from=r"cam(\d)", views=("1", "2", "3"))
    for model, expected in ((knowing, missing), (scorer, ())):
        views = [view_of(model, Sent(name, b"")) for name in names]
        assert missing_views(model, views) == expected


def test_what_the_client_says_counts_before_the_name(scorer: Scorer) -> None:
    knowing = replace(scorer, view_from=r"cam(\d)")
    sent = [Sent("7_cam1.jpg", b"", view="3"), Sent("7_cam2.jpg", b""), Sent("", b"")]
    assert [view_of(knowing, each) for each in sent] == ["3", "2", None]
    assert [view_of(scorer, each) for each in sent] == ["3", None, None]


def test_a_part_has_the_product_that_its_photos_have_in_common() -> None:
    def of(*products: str | None) -> str | None:
        return product_of([photo_of_line(b"", product=product) for product in products])

    assert (of("axle", None), of("axle", "axle"), of("axle", "lid"), of(None)) == (
        *("axle", "axle", None, None),
    )


def test_the_threshold_of_the_product_decides(tmp_path: Path) -> None:
    rule = Rule(
        views="none", temperature=1, threshold=0.5, high=None, rule="x", products=(("axle", 0.2),)
    )
    scorer = bundle_scorer(read_bundle(tiny_bundle(tmp_path / "m.fdb", rule=rule)), "m")
    decided = {
        product: decide_on(
            scorer, Sent("a.png", png(140), product=product), PixelGate(), 100
        ).decision
        for product in ("axle", "cover", None)
    }
    assert decided == {"axle": "reject", "cover": "OK", None: "OK"}
