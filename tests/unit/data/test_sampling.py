"""Draws of photos by class, and of names: by the seed, whatever the order and the machine."""

import unicodedata
from collections import Counter

from helpers.examples import examples
from hypothesis import given
from hypothesis import strategies as st

from fastdefect.data.sampling import (
    draw_evenly,
    draw_in_proportion,
    hash_order,
    share_of_batches,
    shuffled_by_class,
)

LABELS = [
    *("good", "dent", "good", "crack", "good", "dent"),
    *("good", "good", "crack", "good", "good", "good"),
]


def test_the_same_seed_draws_the_same_in_every_version() -> None:
    assert draw_in_proportion(LABELS, 6, 3) == [0, 1, 4, 6, 8, 10]
    assert draw_evenly(LABELS, 6, 3) == [1, 3, 5, 6, 8, 10]
    classes = ["good", "crack", "dent"]  # another order is another draw
    drawn = shuffled_by_class(LABELS, classes, 3)
    assert sorted(place for places in drawn for place in places[:2]) == [1, 3, 5, 8, 10, 11]
    assert hash_order("Gie\u00dferei 7", 5).startswith("f8690a394dff287b")
    assert hash_order("Gie\u00dferei 7", 5, "fewer/").startswith("101df6df87e6355f")


@given(
    st.lists(st.sampled_from("abc"), min_size=1, max_size=60),
    st.integers(1, 60),
    st.integers(0, 5),
)
def test_a_draw_has_each_class_in_its_share(labels: list[str], most: int, seed: int) -> None:
    taken = draw_in_proportion(labels, most, seed)
    n = min(most, len(labels))
    assert taken == sorted(set(taken))
    assert len(taken) == n
    assert taken == draw_in_proportion(labels, most, seed)
    # A larger draw holds the smaller one.
    assert set(taken) <= set(draw_in_proportion(labels, most + 1, seed))
    of, drawn = Counter(labels), Counter(labels[place] for place in taken)
    if most >= len(of):
        assert drawn.keys() == of.keys()
        assert all(abs(drawn[c] - n * of[c] / len(labels)) < len(of) for c in of)


def test_a_draw_hangs_on_its_seed_and_keeps_the_shares() -> None:
    labels = ["good"] * 900 + ["crack"] * 90 + ["dent"] * 10
    drawn = [draw_in_proportion(labels, 100, seed) for seed in (0, 1)]
    assert drawn[0] != drawn[1]
    for taken in drawn:
        assert Counter(labels[place] for place in taken) == {"good": 90, "crack": 9, "dent": 1}


@given(st.lists(st.sampled_from("abc"), max_size=60), st.integers(1, 60), st.integers(0, 5))
def test_an_even_draw_takes_of_each_class_alike_as_far_as_there_are(
    labels: list[str], most: int, seed: int
) -> None:
    taken = draw_evenly(labels, most, seed)
    n = min(most, len(labels))
    assert taken == sorted(set(taken))
    assert len(taken) == n
    of, drawn = Counter(labels), Counter(labels[place] for place in taken)
    largest = max(drawn.values(), default=0)
    assert all(drawn[c] >= min(of[c], largest - 1) for c in of)


def test_places_are_shuffled_within_the_requested_classes() -> None:
    dents, others = shuffled_by_class(LABELS, ["dent", "scratch"], 0)
    assert sorted(dents) == [1, 5]
    assert others == []


def test_a_name_has_its_place_however_its_accents_are_encoded() -> None:
    decomposed = unicodedata.normalize("NFD", "premi\u00e8re")
    assert hash_order("premi\u00e8re", 1) == hash_order(decomposed, 1)
    assert len({hash_order("a", seed, of) for seed in (0, 1) for of in ("", "fewer/")}) == 4


@examples(100)
@given(st.integers(0, 40), st.integers(1, 12), st.integers(1, 6))
def test_processes_share_every_batch(n: int, batch: int, size: int) -> None:
    shares = [share_of_batches(n, batch, rank, size).tolist() for rank in range(size)]
    assert sorted(place for share in shares for place in share) == list(range(n))
    for start in range(0, n, batch):
        of_batch = [
            [place for place in share if start <= place < start + batch] for share in shares
        ]
        sizes = [len(each) for each in of_batch]
        assert max(sizes) - min(sizes) <= 1
        assert sizes == sorted(sizes, reverse=True)  # a full batch gives a process always as many


def test_a_share_by_hand() -> None:
    assert share_of_batches(10, 4, 0, 2).tolist() == [0, 2, 4, 6, 8]
    assert share_of_batches(9, 4, 1, 2).tolist() == [1, 3, 5, 7]
    assert share_of_batches(7, 5, 1, 3).tolist() == [1, 4, 6]
