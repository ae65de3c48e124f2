"""The band that people look at: by hand, and by draws from a line that is known."""

import json
import math

import numpy as np
import pytest
from scipy.stats import beta, binom

from fastdefect.evaluation.decisions.operating_point import (
    ALL_REJECTED,
    NONE_REJECTED,
    ScoredPhotos,
    Tally,
    choose_by_max_escape,
    choose_by_max_overkill,
)
from fastdefect.evaluation.decisions.review_band import Band, BandTally, choose_band, load


def photos_of(good: list[float], defective: list[float]) -> ScoredPhotos:
    n = len(good) + len(defective)
    truth = np.arange(n) >= len(good)
    return ScoredPhotos(truth, np.array(good + defective), [f"p{i}" for i in range(n)])


def drawn(rng: np.random.Generator, n: int) -> ScoredPhotos:
    score = np.concatenate([rng.beta(2, 5, n), rng.beta(5, 2, n)])
    return ScoredPhotos(np.arange(2 * n) >= n, score, [str(i) for i in range(2 * n)])


OVERLAP = photos_of(good=[0.1, 0.2, 0.4, 0.7], defective=[0.3, 0.6, 0.8, 0.9])


def test_band_by_hand() -> None:
    band = choose_band(OVERLAP, 0.0, 0.0)
    assert (band.low, band.high) == (pytest.approx(0.25), pytest.approx(0.75))
    assert band.tally == BandTally(Tally(0, 4, 0, 4), defective_in_band=2, good_in_band=2)
    assert (band.tally.defective_share, band.tally.good_share) == (0.5, 0.5)
    assert band.decide(np.array([0.1, 0.25, 0.5, 0.75, 1.0])).tolist() == [
        "ok", "look", "look", "reject", "reject",
    ]  # fmt: skip
    assert (band.confidence, band.escape, band.overkill) == (None, None, None)


def test_ends_are_those_of_the_limits_alone() -> None:
    photos = drawn(np.random.default_rng(0), 100)
    band = choose_band(photos, 0.02, 0.03)
    assert band.low < band.high
    assert band.low == choose_by_max_escape(photos, 0.02).threshold
    assert band.high == choose_by_max_overkill(photos, 0.03).threshold


def test_one_threshold_suffices_where_the_limits_are_loose() -> None:
    band = choose_band(OVERLAP, 0.5, 0.5)
    # 0.25, 0.35, 0.5 (one of each wrong) and 0.65, 0.75 hold both; the sum of the rates is least
    # from 0.2 to 0.3 and from 0.4 to 0.6 and from 0.7 to 0.8, widest in the second.
    assert band.low == band.high == pytest.approx(0.5)
    assert band.tally.defective_in_band == band.tally.good_in_band == 0
    assert "look" not in band.decide(np.linspace(0, 1, 101))


def test_separated_classes_need_no_review() -> None:
    band = choose_band(photos_of(good=[0.1, 0.2], defective=[0.8, 0.9]), 0.0, 0.0)
    assert band.low == band.high == pytest.approx(0.5)


def test_a_good_photo_whose_rejection_catches_no_defect_is_looked_at() -> None:
    # Rejecting 0.7 too would hold the limit, but no defect lies between it and 0.8.
    photos = photos_of(good=[0.1, 0.4, 0.7, 0.75], defective=[0.3, 0.6, 0.8])
    band = choose_band(photos, 0.0, 0.25)
    assert band.high == pytest.approx(0.775)
    # And none is passed that saves no good photo from being looked at.
    photos = photos_of(good=[0.1, 0.5, 0.7], defective=[0.2, 0.3, 0.6, 0.8])
    assert choose_band(photos, 0.5, 0.0).low == pytest.approx(0.55)
    assert choose_band(photos, 0.25, 0.0).low == pytest.approx(0.15)


def test_tally_of_other_photos() -> None:
    band = choose_band(OVERLAP, 0.0, 0.0)
    other = photos_of(good=[0.1, 0.5, 0.8, 0.9], defective=[0.1, 0.5, 0.9])
    assert band.tally_of(other) == BandTally(Tally(1, 3, 2, 4), 1, 1)
    assert band.tally_of(OVERLAP) == band.tally


@pytest.mark.slow
def test_both_promises_are_kept_together() -> None:
    draws, n, confidence = 300, 80, 0.8
    max_escape, max_overkill = 0.1, 0.15
    rng = np.random.default_rng(7)
    broken = plain_broken = 0
    looked = []
    for _ in range(draws):
        photos = drawn(rng, n)
        band = choose_band(photos, max_escape, max_overkill, confidence)
        assert band.escape is not None
        assert band.escape.supported
        assert band.escape.confidence == pytest.approx(0.9)  # half of the doubt for each limit
        looked.append(band.tally.good_share)
        plain = choose_band(photos, max_escape, max_overkill)
        broken += _breaks(band)
        plain_broken += _breaks(plain)
    assert broken / draws <= 0.2 + 3 * math.sqrt(0.2 * 0.8 / draws)
    assert plain_broken / draws > 0.5
    assert np.mean(looked) < 0.6  # not kept by sending all to people


def _breaks(band: Band) -> bool:
    escape, overkill = beta.cdf(band.low, 5, 2), beta.sf(band.high, 2, 5)
    return bool(escape > band.max_escape or overkill > band.max_overkill)


def test_a_guaranteed_threshold_alone_may_suffice() -> None:
    photos = photos_of(good=[0.1] * 60, defective=[0.9] * 60)
    band = choose_band(photos, 0.1, 0.1, 0.9)
    assert band.low == band.high == pytest.approx(0.5)


def test_with_too_few_parts_all_photos_go_to_review() -> None:
    band = choose_band(OVERLAP, 0.01, 0.01, 0.95)
    assert (band.low, band.high) == (ALL_REJECTED, NONE_REJECTED)
    assert set(band.decide(np.linspace(0, 1, 11))) == {"look"}
    assert band.escape is not None
    assert not band.escape.supported
    assert band.escape.parts_more == 368 - 4  # 0.99^368 <= 0.025 < 0.99^367
    one_sided = choose_band(photos_of([0.1] * 60, [0.9] * 3), 0.1, 0.1, 0.9)
    assert (one_sided.low, one_sided.high) == (ALL_REJECTED, pytest.approx(0.5))


def test_load_by_hand() -> None:
    # Of the good photos 1 in 4 is in the band, of the defective ones 2 in 4.
    photos = photos_of(good=[0.1, 0.2, 0.4, 0.5], defective=[0.3, 0.45, 0.8, 0.9])
    band = choose_band(photos, 0.0, 0.25)
    assert (band.tally.good_in_band, band.tally.defective_in_band) == (1, 1)
    found = load(band, defect_rate=0.02, parts_per_day=2000)
    assert found.share == pytest.approx(0.98 * 0.25 + 0.02 * 0.25)
    assert found.expected == pytest.approx(500)
    assert binom.cdf(found.low - 1, 2000, found.share) <= 0.025
    assert binom.sf(found.high, 2000, found.share) <= 0.025
    assert found.low < 500 < found.high
    assert json.loads(json.dumps(found.as_json()))["parts_per_day"] == 2000


def test_load_weighs_by_the_lines_defect_rate() -> None:
    band = choose_band(photos_of(good=[0.1, 0.2, 0.4, 0.6], defective=[0.3, 0.5]), 0.0, 0.25)
    assert (band.tally.good_share, band.tally.defective_share) == (0.25, 0.5)
    shares = [load(band, rate, 100).share for rate in (0.0, 0.1, 1.0)]
    assert shares == pytest.approx([0.25, 0.275, 0.5])


@pytest.mark.parametrize("rate", [0.0, 0.5, 1.0])
def test_load_of_an_empty_and_of_a_full_band(rate: float) -> None:
    empty = load(choose_band(OVERLAP, 0.5, 0.5), rate, 100)
    assert (empty.share, empty.expected, empty.low, empty.high) == (0, 0, 0, 0)
    full = load(choose_band(OVERLAP, 0.01, 0.01, 0.95), rate, 100)
    assert (full.share, full.expected, full.low, full.high) == (1, 100, 100, 100)


def test_as_json() -> None:
    plain = json.loads(json.dumps(choose_band(OVERLAP, 0.1, 0.1, 0.9).as_json()))
    assert plain["escape"]["supported"] is False
    assert plain["tally"]["good_share"] == 1.0
    assert json.loads(json.dumps(choose_band(OVERLAP, 0.0, 0.0).as_json()))["escape"] is None


@pytest.mark.parametrize("wrong", [-0.1, 1.1, float("nan")])
def test_what_is_no_share(wrong: float) -> None:
    with pytest.raises(ValueError, match="max_escape"):
        choose_band(OVERLAP, wrong, 0.1)
    with pytest.raises(ValueError, match="max_overkill"):
        choose_band(OVERLAP, 0.1, wrong)
    with pytest.raises(ValueError, match="confidence"):
        choose_band(OVERLAP, 0.1, 0.1, wrong)
    with pytest.raises(ValueError, match="defect_rate"):
        load(choose_band(OVERLAP, 0.1, 0.1), wrong, 100)


def test_a_day_without_parts() -> None:
    with pytest.raises(ValueError, match="parts_per_day"):
        load(choose_band(OVERLAP, 0.1, 0.1), 0.1, 0)
