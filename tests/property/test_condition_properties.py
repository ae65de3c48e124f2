"""Findings on single photos: whatever they look like."""

from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
from helpers.examples import examples
from helpers.manifests import photo
from hypothesis import given
from hypothesis import strategies as st

from fastdefect.data.audit.appearance import Appearance
from fastdefect.data.audit.quality_checks import check_quality
from fastdefect.data.photos import Photo

Drawn = tuple[str, int, int, dict[str, Any]]  # label, width, height and facts

BLACK = np.zeros((64, 64, 3), np.uint8)
SHARES = st.floats(0, 1)
LOOKS = st.builds(
    Appearance,
    brightness=st.floats(0, 255),
    contrast=st.floats(0, 128),
    dark=SHARES,
    bright=SHARES,
    sharpness=st.floats(0, 50),
    colour=st.floats(0, 114),
    thumbnail=st.integers(0, 255).map(
        lambda level: np.tril(BLACK[..., 0] + level)[..., None] + BLACK
    ),
)
PHOTOS = st.builds(
    lambda label, width, height, suffix_fits, mode, frames: (
        label,
        width,
        height,
        {"suffix_fits": suffix_fits, "mode": mode, "frames": frames},
    ),
    st.sampled_from("abc"),
    st.integers(1, 5000),
    st.integers(1, 5000),
    st.booleans(),
    st.sampled_from(["RGB", "L", "P", "RGBA", "I;16", ""]),
    st.integers(1, 9),
)


def made(draws: list[Drawn]) -> Iterator[Photo]:
    for i, (label, width, height, facts) in enumerate(draws):
        one = photo(f"{i:03}", label)
        yield replace(one, width=width, height=height, facts=replace(one.facts, **facts))


@examples(30)
@given(st.lists(st.tuples(PHOTOS, LOOKS), max_size=60), st.randoms(use_true_random=False))
def test_findings_are_sound_and_do_not_depend_on_the_order(
    drawn: list[tuple[Drawn, Appearance]], random: Random
) -> None:
    photos = list(made([facts for facts, _ in drawn]))
    looks = [look for _, look in drawn]
    found = check_quality(photos, looks)
    names = {one.name for one in photos}
    for finding in found:
        assert finding.value == len(finding.paths) == len(set(finding.paths)) > 0
        assert set(finding.paths) <= names
    troubled = {finding.kind: set(finding.paths) for finding in found}
    for kind in ("underexposed", "overexposed", "out_of_focus"):
        assert not troubled.get(kind, set()) & troubled.get("blank", set())
        # Never more than those beyond the quartile on one side of a median.
        assert len(troubled.get(kind, set())) <= len(photos) / 4
    order = list(range(len(photos)))
    random.shuffle(order)
    again = check_quality([photos[i] for i in order], [looks[i] for i in order])
    assert {finding.kind: set(finding.paths) for finding in again} == troubled
