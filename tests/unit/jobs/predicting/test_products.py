"""A bundle with thresholds by product decides each photo by the threshold of its product."""

import json
from pathlib import Path

import pytest
from helpers.bundles import p_crack, photo_of, tiny_bundle, tiny_card
from PIL import Image

from fastdefect.data.reading.unlabelled import Sources
from fastdefect.errors import BundleError
from fastdefect.events import Event, Note
from fastdefect.files import read_csv
from fastdefect.inference.bundle import read_bundle
from fastdefect.inference.card import Card, Rule, read_card
from fastdefect.inference.inspector import Inspector, bundle_scorer
from fastdefect.inference.scorer import Scorer
from fastdefect.jobs.predict import Output, predict

GREY = 140  # P(crack) is 0.34
RULE = {"views": "none", "temperature": 1.0, "threshold": 0.5, "high": None, "rule": "by product"}


def _bundle(folder: Path) -> Path:
    rule = Rule(**RULE, products=(("axle", 0.2), ("cover", 0.9)))
    return tiny_bundle(folder / "m.fdb", rule=rule, product_from="^[a-z]+")


@pytest.fixture
def scorer(tmp_path: Path) -> Scorer:
    return bundle_scorer(read_bundle(_bundle(tmp_path)), "m")


def _photos(folder: Path) -> Path:
    folder.mkdir()
    for name in ("axle-1", "cover-1", "lid-1", "1"):
        Image.fromarray(photo_of(GREY)).save(folder / f"{name}.png")
    return folder


def test_each_photo_has_the_threshold_of_the_product_in_its_name(
    scorer: Scorer, tmp_path: Path
) -> None:
    assert 0.2 < p_crack(GREY) < 0.5
    events: list[Event] = []
    out = tmp_path / "day.csv"
    found = predict(
        scorer, Sources.of([str(_photos(tmp_path / "day"))]), Output(out), on_event=events.append
    )
    rows = {Path(row["path"]).stem: row for row in read_csv(out)}
    assert {name: (row["product"], row["decision"]) for name, row in rows.items()} == {
        "1": ("", "OK"),
        "axle-1": ("axle", "reject"),
        "cover-1": ("cover", "OK"),
        "lid-1": ("lid", "OK"),
    }
    assert dict(found.tally.others) == {"lid": 1, "unknown": 1}
    notes = [event.text for event in events if isinstance(event, Note)]
    assert any(
        text.startswith("2 photos of a product without a threshold of its own, or of an unknown")
        for text in notes
    )


def test_a_table_and_another_pattern_name_the_product(scorer: Scorer, tmp_path: Path) -> None:
    folder = _photos(tmp_path / "day")
    (folder / "list.csv").write_text("path,product\n1.png,axle\nlid-1.png,\n", "utf-8")
    out = tmp_path / "a.csv"
    predict(scorer, Sources.of([str(folder / "list.csv")]), Output(out), on_event=lambda _: None)
    assert [row["decision"] for row in read_csv(out)] == ["reject", "OK"]
    out = tmp_path / "b.csv"
    one = Sources.of([str(folder.rename(tmp_path / "axle") / "1.png")])
    predict(scorer, one, Output(out, product_from="axle"), on_event=lambda _: None)
    assert [row["decision"] for row in read_csv(out)] == ["reject"]


def test_an_inspector_is_told_the_product(tmp_path: Path) -> None:
    inspector = Inspector(_bundle(tmp_path))
    photo = photo_of(GREY)
    assert inspector.inspect(photo).decision == "OK"
    assert inspector.inspect(photo, product="axle").decision == "reject"
    assert [each.decision for each in inspector.inspect([photo], product="other")] == ["OK"]


def test_the_card_is_as_before_without_products() -> None:
    card = json.loads(tiny_card().as_bytes())
    assert "products" not in card["rule"]
    assert "product_from" not in card


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"products": [["axle", 0.2], ["axle", 0.3]]}, "two thresholds"),
        ({"products": [["axle", 0.2]], "high": 0.9}, "no review band"),
        ({"products": [["axle", 0.2]], "threshold": None}, "need a common one"),
        ({"products": [["axle", 2.0]]}, "less than 1.1"),
        ({"products": [["ax\x1ble", 0.2]]}, "pattern"),
    ],
)
def test_a_card_with_other_products_is_refused(changes: dict[str, object], reason: str) -> None:
    content = json.loads(tiny_card(rule=Rule(**RULE)).as_bytes())
    content["rule"] |= changes
    with pytest.raises(BundleError, match=reason):
        read_card(json.dumps(content).encode(), "m.fdb")


def test_a_slow_pattern_is_refused() -> None:
    content = json.loads(tiny_card().as_bytes())
    content["product_from"] = "(a+)+b"
    with pytest.raises(BundleError, match="product_from is not valid"):
        read_card(json.dumps(content).encode(), "m.fdb")


def test_a_card_with_products_is_read_again() -> None:
    card = tiny_card(rule=Rule(**RULE, products=(("axle", 0.2),)), product_from="^[a-z]+")
    again: Card = read_card(card.as_bytes(), "m.fdb")
    assert again == card
    assert again.decision_rule.products == (("axle", 0.2),)
