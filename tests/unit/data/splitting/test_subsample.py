"""Fewer photos to train on: nested, by whole parts, and never out of validation or test."""

from collections import Counter
from random import Random

import pytest
from helpers.examples import examples
from helpers.manifests import manifest, photo, plain
from hypothesis import given
from hypothesis import strategies as st

from fastdefect.data.photos import Manifest
from fastdefect.data.splitting.split import Split, group_parts, make_split
from fastdefect.data.splitting.subsample import limit_per_class, share_of_parts

SEEDS = st.integers(0, 2**32)
SHARES = st.floats(0.01, 1.0)


@st.composite
def divided(draw: st.DrawFn, *, mixed: bool) -> tuple[Manifest, Split]:
    """Parts of 1 to 6 photos, split by parts; of one class each unless ``mixed``."""
    classes = draw(st.sampled_from([("bad", "good"), ("a", "b", "c")]))
    photos = []
    for p in range(draw(st.integers(4, 25))):
        label = draw(st.sampled_from(classes))
        for i in range(draw(st.integers(1, 6))):
            if mixed:
                label = draw(st.sampled_from(classes))
            photos.append(photo(f"{p}/{i}", label, f"part {p}"))
    photos += [photo(f"{c}/{i}", c) for c in classes for i in range(5)]
    whole = manifest(photos)
    return whole, _split(whole)


def _split(photos: Manifest) -> Split:
    return make_split(photos, group_parts(photos), valid=0.2, test=0.15, seed=1)


def _labels(photos: Manifest, split: Split) -> Counter[str]:
    return Counter(photos.photos[i].label for i in split.train)


def _only_train_lost(before: Split, after: Split) -> bool:
    return (after.valid, after.test, after.parts) == (before.valid, before.test, before.parts) and (
        set(after.train) <= set(before.train) and list(after.train) == sorted(after.train)
    )


# ---- so many photos of each class --------------------------------------------------------


@examples(40)
@given(divided(mixed=True), st.integers(1, 40), SEEDS)
def test_each_class_keeps_as_many_as_requested_or_all(
    data: tuple[Manifest, Split], per_class: int, seed: int
) -> None:
    photos, split = data
    kept = limit_per_class(split, photos, per_class=per_class, seed=seed)
    assert _only_train_lost(split, kept)
    had = _labels(photos, split)
    assert _labels(photos, kept) == {name: min(n, per_class) for name, n in had.items()}
    assert set(kept.unused) == set(split.unused) | (set(split.train) - set(kept.train))


@examples(40)
@given(divided(mixed=False), st.integers(1, 40), SEEDS)
def test_at_most_one_part_of_a_class_is_cut(
    data: tuple[Manifest, Split], per_class: int, seed: int
) -> None:
    photos, split = data
    kept = set(limit_per_class(split, photos, per_class=per_class, seed=seed).train)
    cut: Counter[str] = Counter()
    for part in {split.parts[i] for i in kept}:
        members = [i for i in split.train if split.parts[i] == part]
        cut[photos.photos[members[0]].label] += not kept.issuperset(members)
    assert all(n <= 1 for n in cut.values())


@examples(40)
@given(divided(mixed=True), st.integers(1, 20), st.integers(0, 20), SEEDS)
def test_a_smaller_number_is_within_a_larger(
    data: tuple[Manifest, Split], per_class: int, more: int, seed: int
) -> None:
    photos, split = data
    small = limit_per_class(split, photos, per_class=per_class, seed=seed)
    large = limit_per_class(split, photos, per_class=per_class + more, seed=seed)
    assert set(small.train) <= set(large.train)


# ---- a share of the parts ----------------------------------------------------------------


@examples(40)
@given(divided(mixed=True), SHARES, SHARES, SEEDS)
def test_shares_are_of_whole_parts_and_nested(
    data: tuple[Manifest, Split], one: float, other: float, seed: int
) -> None:
    photos, split = data
    small, large = (share_of_parts(split, photos, s, seed) for s in sorted((one, other)))
    assert set(small.train) <= set(large.train)
    assert _only_train_lost(split, large)
    left_out = {split.parts[i] for i in set(split.train) - set(large.train)}
    assert not left_out & {split.parts[i] for i in large.train}
    assert _labels(photos, small).keys() == _labels(photos, split).keys()
    assert share_of_parts(split, photos, 1.0, seed) == split


@examples(40)
@given(divided(mixed=False), SHARES, SEEDS)
def test_each_class_keeps_its_share_of_parts_to_half_a_part(
    data: tuple[Manifest, Split], share: float, seed: int
) -> None:
    photos, split = data
    kept = share_of_parts(split, photos, share, seed)

    def parts(side: Split) -> Counter[str]:
        pairs = {(photos.photos[i].label, side.parts[i]) for i in side.train}
        return Counter(label for label, _ in pairs)

    had, has = parts(split), parts(kept)
    for label, n in had.items():
        assert has[label] >= 1
        assert has[label] == 1 or abs(has[label] - share * n) <= 0.5 + 1e-9


@examples(40)
@given(divided(mixed=True), SHARES, SEEDS)
def test_classes_that_share_parts_keep_no_less_than_their_share(
    data: tuple[Manifest, Split], share: float, seed: int
) -> None:
    photos, split = data
    kept = share_of_parts(split, photos, share, seed)
    for label in _labels(photos, split):
        had, has = (
            {s.parts[i] for i in s.train if photos.photos[i].label == label} for s in (split, kept)
        )
        assert len(has) >= share * len(had) - 0.5 - 1e-9


# ---- both --------------------------------------------------------------------------------


@examples(30)
@given(divided(mixed=True), SEEDS, st.randoms())
def test_the_order_of_the_photos_does_not_matter(
    data: tuple[Manifest, Split], seed: int, random: Random
) -> None:
    photos, split = data
    shuffled = list(photos.photos)
    random.shuffle(shuffled)
    again = manifest(shuffled)
    other = _split(again)
    for draw in (
        lambda s, m: limit_per_class(s, m, per_class=3, seed=seed),
        lambda s, m: share_of_parts(s, m, 0.4, seed),
    ):
        first = {photos.photos[i].name for i in draw(split, photos).train}
        assert {shuffled[i].name for i in draw(other, again).train} == first


def test_another_seed_draws_others() -> None:
    photos = plain(bad=60, good=60)
    split = _split(photos)
    draws = {limit_per_class(split, photos, per_class=5, seed=seed).train for seed in range(8)}
    assert len(draws) == 8
    draws = {share_of_parts(split, photos, 0.25, seed).train for seed in range(8)}
    assert len(draws) == 8


def test_decomposed_names_are_drawn_alike() -> None:
    """macOS may write an umlaut as two characters; the draw must not depend on it."""
    names = [f"{c}/{i}\u00e4" for c in ("bad", "good") for i in range(20)]
    one = manifest(photo(name, name.split("/")[0]) for name in names)
    two = manifest(photo(name.replace("\u00e4", "a\u0308"), name.split("/")[0]) for name in names)
    split = Split(tuple(range(40)), (), (), group_parts(one))
    other = Split(tuple(range(40)), (), (), group_parts(two))
    assert limit_per_class(split, one, per_class=4, seed=3).train == (
        limit_per_class(other, two, per_class=4, seed=3).train
    )


@pytest.mark.parametrize("share", [0.0, -0.1, 1.01])
def test_a_share_is_above_zero_and_no_more_than_all(share: float) -> None:
    photos = plain(bad=9, good=9)
    with pytest.raises(ValueError, match="a share above 0"):
        share_of_parts(_split(photos), photos, share, 0)


def test_no_photos_is_no_number() -> None:
    photos = plain(bad=9, good=9)
    with pytest.raises(ValueError, match="Expected 1 or more photos"):
        limit_per_class(_split(photos), photos, per_class=0, seed=0)


def test_the_draw_is_not_the_order_in_which_the_split_was_allocated() -> None:
    """With one hash, the kept parts would be those that were allocated first."""
    from fastdefect.data.splitting.allocate import Group, _allocation_order

    photos = plain(bad=200)
    split = Split(tuple(range(200)), (), (), group_parts(photos))
    kept = limit_per_class(split, photos, per_class=100, seed=4).train
    dealt = sorted(range(200), key=lambda i: _allocation_order(Group(split.parts[i], (i,), {}), 4))
    assert 30 < len(set(kept) & set(dealt[:100])) < 70
