"""Whatever bytes a bundle has, it is refused with a reason, or it is what was written."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from helpers.bundles import tiny_bundle, tiny_card, tiny_network, tiny_reference
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fastdefect.errors import BundleError
from fastdefect.inference.bundle import read_bundle
from fastdefect.inference.card import read_card
from fastdefect.inference.inspector import Inspector
from fastdefect.inference.onnx_check import check_onnx
from fastdefect.inference.reference_file import read_reference, reference_bytes

FEW, MANY = 40, 2_000  # examples of the default suite and of the slow one

# What is done to the bytes: where as a share of the length, what, and new bytes.
edits = st.lists(
    st.tuples(
        st.floats(0, 1),
        st.sampled_from(["set", "insert", "delete", "cut", "copy"]),
        st.binary(min_size=1, max_size=12),
    ),
    min_size=1,
    max_size=6,
)
Edits = list[tuple[float, str, bytes]]


def edited(content: bytes, changes: Edits) -> bytes:
    for share, kind, new in changes:
        at = int(share * len(content))
        start, end = content[:at], content[at:]
        content = {
            "set": start + new + end[len(new) :],
            "insert": start + new + end,
            "delete": start + end[len(new) :],
            "cut": start,
            "copy": start + content[: 16 * len(new)] + end,
        }[kind]
    return content


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("good") / "x.fdb", reference=tiny_reference())


def check_file(bundle: Path, changes: Edits) -> None:
    good, bad = read_bundle(bundle), bundle.with_name("bad.fdb")
    bad.write_bytes(edited(bundle.read_bytes(), changes))
    try:
        read = read_bundle(bad)
    except BundleError:
        return
    # Times and other properties of a member have no sum, and decide nothing.
    assert read == good


def check_network(bundle: Path, changes: Edits) -> None:
    """The whole way to a decision; the sums fit, as those of an attacker do."""
    path = tiny_bundle(bundle.with_name("net.fdb"), network=edited(tiny_network(), changes))
    with suppress(BundleError):
        Inspector(path, threads=1)


def check_card(changes: Edits) -> None:
    try:
        card = read_card(edited(tiny_card().as_bytes(), changes), "x")
    except BundleError:
        return
    assert read_card(card.as_bytes(), "x") == card


def check_reference(changes: Edits) -> None:
    try:
        read = read_reference(edited(reference_bytes(tiny_reference()), changes), 0.1, "x")
    except BundleError:
        return
    assert (read.p_values(read.score(read.features)) >= 0).all()


few = settings(
    max_examples=FEW, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
many = settings(few, max_examples=MANY)


@few
@given(changes=edits)
def test_a_changed_file(bundle: Path, changes: Edits) -> None:
    check_file(bundle, changes)


# Repeatable: a defect of the runtime must not end the suite on another day.
@settings(few, derandomize=True)
@given(changes=edits)
def test_a_changed_network(bundle: Path, changes: Edits) -> None:
    check_network(bundle, changes)


@few
@given(changes=edits)
def test_a_changed_card(changes: Edits) -> None:
    check_card(changes)


@few
@given(changes=edits)
def test_a_changed_reference(changes: Edits) -> None:
    check_reference(changes)


@few
@given(content=st.binary(max_size=200))
def test_any_bytes_as_a_network(content: bytes) -> None:
    with pytest.raises(BundleError):
        check_onnx(content, "x")


texts = st.sampled_from(["", "ok", "\0", "\ud800", "none", "x" * 5000])
plain = st.none() | st.booleans() | st.integers() | st.floats() | texts
json_values = plain | st.lists(plain, max_size=3) | st.dictionaries(texts, plain, max_size=3)


@few
@given(place=st.sampled_from(sorted(json.loads(tiny_card().as_bytes()))), value=json_values)
def test_any_value_at_any_place_of_the_card(place: str, value: object) -> None:
    card = json.loads(tiny_card().as_bytes())
    card[place] = value
    content = json.dumps(card).encode()
    try:
        read = read_card(content, "x")
    except BundleError:
        return
    assert read_card(read.as_bytes(), "x") == read


@pytest.mark.slow
@many
@given(changes=edits)
def test_many_changed_bundles(bundle: Path, changes: Edits) -> None:
    check_file(bundle, changes)
    check_network(bundle, changes)
    check_card(changes)
    check_reference(changes)
