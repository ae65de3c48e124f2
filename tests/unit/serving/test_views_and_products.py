"""The view and the product of each photo, in the form beside the photos."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from helpers.bundles import p_crack, tiny_bundle, viewed_bundle
from helpers.serving import Line, line, png

from fastdefect.inference.card import Rule, StackingFacts, ViewScaleFacts

Fields = dict[str, str | list[str]]


def _by_product(folder: Path) -> None:
    rule = Rule(
        views="none", temperature=1, threshold=0.5, high=None, rule="x", products=(("axle", 0.2),)
    )
    tiny_bundle(folder / "tiny.fdb", rule=rule)


def _sent(
    at: Line, brightness: list[int], data: Fields, where: str = "/inspect", **kwargs: Any
) -> Any:
    files = [("photo", (f"{each}.png", png(each))) for each in brightness]
    return at.client.post(where, files=files, data=data, **kwargs)


def test_a_product_in_the_form_decides_on_all_photos_or_on_each(tmp_path: Path) -> None:
    _by_product(tmp_path)
    with line(tmp_path) as at:

        def decided(*products: str, where: str = "/inspect") -> list[str]:
            found = _sent(at, [140, 140], {"product": list(products)}, where).json()
            return [photo["decision"] for photo in found["photos"]]

        assert decided("axle") == ["reject", "reject"]
        assert decided("cover") == ["OK", "OK"]
        assert decided("axle", "cover") == ["reject", "OK"]
        assert decided("", "axle") == ["OK", "reject"]
        assert decided() == ["OK", "OK"]
        # The address names that of the photos for which the form names none.
        assert decided("", "cover", where="/inspect?product=axle") == ["reject", "OK"]


def test_a_part_by_a_rule_has_the_threshold_of_its_product(tmp_path: Path) -> None:
    rule = Rule(
        **{"views": "none", "temperature": 1, "threshold": 0.5, "high": None, "rule": "x"},
        products=(("axle", 0.2),),
        part_rule="mean",
    )
    tiny_bundle(tmp_path / "tiny.fdb", rule=rule)
    with line(tmp_path) as at:
        answers = {
            product: _sent(at, [140, 140], {"product": [product]}).json()["decision"]
            for product in ("axle", "cover", "")
        }
    assert answers == {"axle": "reject", "cover": "OK", "": "OK"}


def test_the_views_in_the_form_are_those_of_the_learned_rule(tmp_path: Path) -> None:
    """Photos of the top camera are usually dark: they are no sign of a defect there."""
    learned = StackingFacts(
        center=-2.0, scale=1.0, views=(ViewScaleFacts(view="top", center=4.0, scale=1.0),),
        weights=(1.0, 0.0), intercept=-2.0,
    )  # fmt: skip
    rule = Rule(
        **{"views": "none", "temperature": 1, "threshold": 0.5, "high": None, "rule": "x"},
        part_rule="stacking",
        stacking=learned,
    )
    tiny_bundle(tmp_path / "tiny.fdb", rule=rule, part_views=("left", "top"))
    with line(tmp_path) as at:
        top = _sent(at, [100, 220], {"view": ["top", "left"]}).json()
        left = _sent(at, [100, 220], {"view": ["left", "top"]}).json()
        half = _sent(at, [100, 220], {"view": ["top", ""]}).json()
        photo = {"Content-Type": "image/png"}
        alone = at.client.post("/inspect?view=top", content=png(100), headers=photo).json()
    assert (top["decision"], left["decision"], alone["decision"]) == ("OK", "reject", "OK")
    assert (top["missing_views"], half["missing_views"]) == ([], ["left"])
    assert alone["missing_views"] == ["left"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"view": ["a"]}, "Expected a field view for each of 2 photos, or none, but found 1"),
        ({"product": ["a", "b", "c"]}, "field product for each of 2 photos, or none, but found 3"),
        ({"view": ["a", "b" * 201]}, "view: expected at most 200 characters in one line"),
        ({"product": ["a\x01b"]}, "product: expected at most 200 characters in one line"),
        ({"camera": ["a"]}, "Expected the fields photo, part, product, view, but found 'camera'"),
    ],
)
def test_fields_that_do_not_fit_are_refused(tmp_path: Path, data: Fields, words: str) -> None:
    with line(tmp_path, max_photos=3) as at:
        answer = _sent(at, [10, 220], data)
        assert (answer.status_code, answer.json()["type"]) == (
            422,
            "urn:fastdefect:invalid-request",
        )
        assert words in answer.json()["detail"]
        assert at.store.latest(1) == []


def test_view_and_product_belong_to_the_key(tmp_path: Path) -> None:
    _by_product(tmp_path)
    with line(tmp_path) as at:
        key = {"Idempotency-Key": "1"}
        first = _sent(at, [140], {"product": ["axle"], "view": ["top"]}, headers=key)
        again = _sent(at, [140], {"product": ["axle"], "view": ["top"]}, headers=key)
        assert first.json() == again.json()
        for other in ({"product": ["cover"], "view": ["top"]}, {"product": ["axle"]}):
            assert _sent(at, [140], other, headers=key).status_code == 409


def test_the_description_of_the_api_has_the_fields(tmp_path: Path) -> None:
    with line(tmp_path) as at:
        found = at.client.get("/openapi.json").json()["paths"]["/inspect"]["post"]
    form = found["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    assert list(form) == ["photo", "part", "product", "view"]
    assert [each["name"] for each in found["parameters"]][:3] == ["part", "product", "view"]


def test_the_view_of_a_photo_is_an_input_of_the_network(tmp_path: Path) -> None:
    viewed_bundle(tmp_path / "tiny.fdb", view_from=r"^(front|back)_")
    with line(tmp_path) as at:

        def probabilities(names: list[str], views: list[str], where: str = "") -> list[float]:
            files = [("photo", (name, png(90))) for name in names]
            answer = at.client.post(f"/inspect{where}", files=files, data={"view": views})
            counted.append(answer.json()["without_view"])
            return [photo["probability"] for photo in answer.json()["photos"]]

        counted: list[int] = []
        front, back = p_crack(90), 1 - p_crack(90)
        expected = pytest.approx([front, back], rel=1e-4)
        assert probabilities(["a.png", "b.png"], ["front", "back"]) == expected
        assert probabilities(["front_1.png", "back_1.png"], []) == expected
        assert probabilities(["a.png"], [], "?view=back") == pytest.approx([back], rel=1e-4)
        assert probabilities(["a.png"], []) == pytest.approx([front], rel=1e-4)
        probabilities(["a.png", "b.png", "c.png"], ["Front", "back", ""])  # not the same name
        assert counted == [0, 0, 0, 1, 2]


def test_a_heat_map_is_of_the_view(tmp_path: Path) -> None:
    viewed_bundle(tmp_path / "tiny.fdb")
    photo = np.full((16, 16, 3), 120, np.uint8)
    photo[2:7, 2:7] = 0  # speaks for a crack, seen from the front
    data = bytes(cv2.imencode(".png", photo)[1])
    with line(tmp_path) as at:
        files = {"photo": ("a.png", data)}
        found = at.client.post("/inspect", files=files, data={"view": "front"}).json()
        address = f"/photos/{found['photos'][0]['sha256']}/heatmap"
        maps = [at.client.get(f"{address}?view={view}").content for view in ("front", "back")]
        assert maps[0] == at.client.get(address).content
        assert maps[0] != maps[1]


def test_the_page_of_a_part_has_the_map_of_its_view(tmp_path: Path) -> None:
    viewed_bundle(tmp_path / "tiny.fdb", view_from=r"^(front|back)_")
    with line(tmp_path) as at:

        def page(name: str, **form: str) -> str:
            files = {"photo": (name, png(90))}
            found = at.client.post("/inspect", files=files, data=form).json()
            return str(at.client.get(f"/parts/{found['id']}").text)

        assert "/heatmap?view=back" in page("back_1.png")
        assert "/heatmap?view=front" in page("back_2.png", view="front")
        assert "/heatmap?view=back" in page("a.png", view="back")
        assert "/heatmap" not in page("a.png")  # as in a store that has no views


def test_the_view_and_the_product_are_kept_and_in_the_queue(tmp_path: Path) -> None:
    viewed_bundle(tmp_path / "tiny.fdb", view_from=r"^(front|back)_")
    with line(tmp_path, check_ok=1, check_reject=1) as at:
        files = [("photo", (name, png(90))) for name in ("a.png", "back_1.png", "b.png")]
        fields = {"view": ["front", "", ""], "product": "cover"}
        found = at.client.post("/inspect", files=files, data=fields).json()
        stored = at.client.get(f"/inspections/{found['id']}").json()
        (waiting,) = at.client.get("/queue").json()["inspections"]
        for photos in (found["photos"], stored["photos"], waiting["photos"]):
            assert [photo["view"] for photo in photos] == ["front", "back", None]
            assert [photo["product"] for photo in photos] == ["cover"] * 3
        at.client.cookies.set("person", "Ann")
        review, part = (
            at.client.get(f"/{path}").text for path in ("review", f"parts/{found['id']}")
        )
    assert '<span class="of-view" aria-hidden="true">back</span>' in review
    assert "<dt>View</dt><dd>back</dd>" in part
    assert "<dt>Product</dt><dd>cover</dd>" in part


def test_the_page_asks_for_the_view_if_the_network_takes_it(tmp_path: Path) -> None:
    for name, asks in (("plain", False), ("viewed", True)):
        (tmp_path / name).mkdir()
        if asks:
            viewed_bundle(tmp_path / name / "tiny.fdb")
        with line(tmp_path / name) as at:
            page = at.client.get("/").text
            assert ('<select name="view">' in page) == asks
            assert ('<option value="back">back</option>' in page) == asks
