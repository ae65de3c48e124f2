"""The card: what is accepted, and what a hostile one can't do."""

import json
import tracemalloc
from typing import Any

import pytest
from helpers.bundles import tiny_card
from pydantic import ValidationError

from fastdefect.errors import BundleError
from fastdefect.inference.card import Card, Rule, read_card
from fastdefect.inference.decision_rule import DecisionRule


def changed(place: str, value: Any) -> bytes:
    """A card as JSON with the value at ``place``, names divided by dots, replaced."""
    card = json.loads(tiny_card().as_bytes())
    *parents, last = place.split(".")
    target = card
    for name in parents:
        target = target[name]
    target[last] = value
    return json.dumps(card).encode()


def refused(content: bytes) -> str:
    with pytest.raises(BundleError) as caught:
        read_card(content, "x.fdb")
    assert caught.value.message.startswith("x.fdb")
    assert len(caught.value.message) < 600
    return caught.value.message


def test_a_card_is_read_back() -> None:
    card = tiny_card(facts={"run": "a", "photos": {"ok": 3}}, part_from=r"(\d+)_")
    assert read_card(card.as_bytes(), "x") == card
    assert card.good_indices == (1,)
    assert card.decision_rule == DecisionRule("none", 1.0, 0.5, None, "by hand")


def test_a_newer_schema_asks_for_an_update() -> None:
    assert "has schema 3" in refused(changed("schema_version", 3))
    assert "has schema 1000" in refused(changed("schema_version", 10**300))
    with pytest.raises(BundleError) as caught:
        read_card(b'{"schema_version": 9, "anything": {}}', "x")
    assert "Update fastdefect" in caught.value.hint


def test_only_views_as_input_need_the_second_schema() -> None:
    plain = tiny_card()
    assert plain.schema_version == 1
    assert b"view_input" not in plain.as_bytes()
    facts = plain.network.model_copy(update={"view_input": ("top", "side")})
    card = tiny_card(schema_version=2, network=facts)
    assert read_card(card.as_bytes(), "x") == card
    for change in (
        {"schema_version": 1},
        {"network": facts.model_copy(update={"view_input": ("top",)})},
        {"network": facts.model_copy(update={"view_input": ("top", "top")})},
        {"network": facts.model_copy(update={"joint": True})},
        {"photos": plain.photos.model_copy(update={"tiles": 4})},
    ):
        with pytest.raises(ValidationError, match="views as input"):
            tiny_card(**{"schema_version": 2, "network": facts, **change})


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("schema_version", "1"),
        ("schema_version", -1),
        ("unknown", 1),
        ("classes", []),
        ("classes", ["a", "a"]),
        ("classes", ["a", "\x1b[2J"]),
        ("classes", ["a", "b\n"]),
        ("classes", ["x" * 201]),
        ("classes", [""]),
        ("classes", [str(i) for i in range(1001)]),
        ("good", ["other"]),
        ("good", []),  # with a threshold
        ("rule.temperature", 0),
        ("rule.temperature", -1.0),
        ("rule.temperature", 1e308),
        ("rule.temperature", "1"),
        ("rule.threshold", 1.5),
        ("rule.threshold", True),
        ("rule.high", 0.1),
        ("rule.part_rule", "median"),
        ("view_from", "(a+)+$"),
        ("part_views", ["a\n"]),
        ("rule.rule", "\x1b]0;title\x07"),
        ("photos.image_size", 15),
        ("photos.image_size", 1 << 40),
        ("photos.image_size", 16.5),
        ("photos.white", 0),
        ("photos.white", 1e300),
        ("photos.max_megapixels", 1e9),
        ("photos.mean", [0.5]),
        ("photos.resize", "crop"),
        ("network.runtime", "pickle"),
        ("network.views", 0),
        ("network.views", 65),
        ("network.features", 10**12),
        ("unlike", {"alpha": 0.0, "parts": 3}),
        ("unlike", {"alpha": 0.5, "parts": 0}),
        ("part_from", "("),
        ("part_from", "(a+)+$"),
        ("members", {"network.onnx": {"bytes": -1, "sha256": "0" * 64}}),
        ("members", {"network.onnx": {"bytes": 1, "sha256": "0" * 63}}),
        ("examples", [{"file": "photos/0.png", "path": "", "probabilities": [1.0]}]),
        ("examples", [{"file": "photos/0.png", "path": "", "probabilities": [0.5, 1.5]}]),
    ],
)
def test_values_that_do_not_fit_are_refused(place: str, value: Any) -> None:
    assert "bundle.json is damaged at" in refused(changed(place, value))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b"null", "damaged at bundle.json"),
        (b"[1]", "damaged at bundle.json"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": -Infinity}', "-Infinity is not JSON"),
        (b'{"a": 1, "a": 2}', "a key occurs twice"),
        (b'{"a": {"b": 1, "b": 2}}', "a key occurs twice"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not valid JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b" " * ((1 << 20) + 1), "more than 1,048,576"),
    ],
)
def test_other_json_is_refused(content: bytes, reason: str) -> None:
    assert reason in refused(content)


@pytest.mark.parametrize("text", [rb'"\ud800"', b"1e999", b'{"x": 1e999}', b"[" * 300 + b"]" * 300])
def test_facts_that_json_can_not_repeat_are_refused(text: bytes) -> None:
    content = tiny_card().as_bytes().replace(b'"figures": {}', b'"figures": {"a": ' + text + b"}")
    assert text in content
    refused(content)


def test_numbers_of_any_length_in_the_facts_do_no_harm() -> None:
    card = read_card(changed("facts", {"a": 10**300, "b": [1e308]}), "x")
    assert read_card(card.as_bytes(), "x") == card


def test_a_large_card_needs_little_memory() -> None:
    content = changed("facts", {"a": [[]] * 5_000})
    tracemalloc.start()
    read_card(content, "x")
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_a_card_never_changes() -> None:
    with pytest.raises(ValueError, match="frozen"):
        tiny_card().created = "later"  # type: ignore[misc]
    assert Card.model_config["extra"] == "forbid"


def test_fields_of_later_versions_are_written_only_if_they_are_used() -> None:
    plain = json.loads(tiny_card().as_bytes())
    assert not {"part_views", "view_from"} & plain.keys()
    assert "part_rule" not in plain["rule"]
    rule = Rule(**plain["rule"], part_rule="noisy-or")
    card = tiny_card(rule=rule, part_views=("left", "top"), view_from=r"cam(\d)")
    assert read_card(card.as_bytes(), "x") == card
    assert card.decision_rule.part_rule == "noisy-or"
    assert json.loads(card.as_bytes())["part_views"] == ["left", "top"]


def test_a_rule_for_parts_needs_a_good_class() -> None:
    rule = Rule(
        views="none", temperature=1.0, threshold=None, high=None, rule="", part_rule="worst"
    )
    with pytest.raises(ValidationError, match="a rule for parts needs a good class"):
        tiny_card(rule=rule, good=())
