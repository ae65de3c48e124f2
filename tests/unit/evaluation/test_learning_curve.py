"""A planted power law is found, and its forecast holds the truth as often as it says."""

import json

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import linregress, norm

from fastdefect.errors import DataError
from fastdefect.evaluation.learning_curve import PowerLaw, fit_power_law

Floats = NDArray[np.float64]


def _law(sizes: list[int], scale: float, exponent: float, floor: float = 0.0) -> Floats:
    return floor + scale * np.array(sizes, float) ** -exponent


def _fit(
    sizes: list[int] | Floats, errors: Floats, photos: int = 10**7, parts: int = 200
) -> PowerLaw:
    return fit_power_law(np.asarray(sizes), errors, photos=photos, parts=parts, seed=0)


# ---- the law -----------------------------------------------------------------------------


@pytest.mark.parametrize(("scale", "exponent"), [(1.5, 0.6), (0.3, 0.05), (4.0, 1.2)])
def test_a_planted_law_is_found(scale: float, exponent: float) -> None:
    sizes = [25, 50, 100, 200]
    law = _fit(sizes, _law(sizes, scale, exponent))
    assert law.scale == pytest.approx(scale, rel=1e-3)
    assert law.exponent == pytest.approx(exponent, abs=1e-3)
    assert law.forecast(400).error == pytest.approx(scale * 400**-exponent, rel=1e-3)
    assert not law.flat


def test_the_exponent_and_its_interval_are_those_of_a_regression() -> None:
    rng = np.random.default_rng(0)
    sizes = np.repeat([20.0, 40.0, 80.0, 160.0], 3)
    errors = 1.2 * sizes**-0.5 * np.exp(0.1 * rng.normal(size=12))
    law = _fit(sizes, errors)
    line = linregress(np.log(sizes), np.log(errors))
    assert law.exponent == pytest.approx(-line.slope, abs=1e-4)
    reach = 2.2281 * line.stderr  # Student's t of 10 degrees of freedom
    assert law.exponent_interval == pytest.approx(
        (-line.slope - reach, -line.slope + reach), abs=1e-4
    )
    assert np.quantile(law.slopes, [0.025, 0.975]) == pytest.approx(law.exponent_interval, abs=0.02)


def test_lines_drawn_through_few_trainings_are_as_unsure_as_the_exponent() -> None:
    sizes = [25, 50, 100, 200]
    law = _fit(sizes, _law(sizes, 1.5, 0.8) * np.array([1.02, 0.97, 1.03, 0.99]))
    low, high = law.exponent_interval  # 4.3 standard errors each way, not 1.96
    assert np.quantile(law.slopes, [0.025, 0.975]) == pytest.approx(
        (low, high), abs=0.06 * (high - low)
    )


def test_an_error_that_does_not_fall_is_called_flat() -> None:
    rng = np.random.default_rng(1)
    sizes = np.repeat([50.0, 100.0, 200.0], 3)
    law = _fit(sizes, 0.1 * np.exp(0.2 * rng.normal(size=9)))
    assert law.flat
    assert law.exponent_interval[0] == 0
    assert law.forecast(400).error == pytest.approx(law.forecast(200).error, rel=0.2)


def test_an_error_that_rises_is_taken_for_one_that_stays() -> None:
    sizes = [50, 100, 200, 400]
    law = _fit(sizes, np.array([0.05, 0.06, 0.08, 0.1]))
    assert law.exponent == 0
    assert law.flat
    assert law.forecast(800).error == pytest.approx(np.exp(np.log([0.05, 0.06, 0.08, 0.1]).mean()))


def test_an_error_can_not_fall_faster_than_any_law_seen() -> None:
    law = _fit([10, 20, 40], np.array([0.9, 0.05, 0.001]))
    assert law.exponent == 2
    assert law.forecast(80).error == pytest.approx(law.forecast(40).error / 4)


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.05, 0.4])
def test_flat_curves_are_called_flat_as_often_as_promised(noise: float) -> None:
    rng = np.random.default_rng(2)
    sizes = np.repeat([50.0, 100.0, 200.0], 2)
    flat = [_fit(sizes, 0.1 * np.exp(noise * rng.normal(size=6))).flat for _ in range(400)]
    assert np.mean(flat) > 0.955  # 97.5 % but for the luck of 400


def test_no_error_at_all_is_half_a_photo() -> None:
    law = _fit([50, 100, 200], np.zeros(3), photos=99, parts=99)
    assert law.forecast(400).error == pytest.approx(0.5 / 100)
    low, high = law.forecast(400).interval
    assert low < 0.005
    assert 0.02 < high < 0.06  # the exact bound for none of 99 is 3.7 %


# ---- the forecast ------------------------------------------------------------------------


def _trainings(
    rng: np.random.Generator, sizes: tuple[int, ...], repeats: int, floor: float, shared: float
) -> tuple[Floats, Floats]:
    """Trainings on a law, each with luck of its own, all measured on the same 80 parts.

    Each part has three photos that are wrong together; ``shared`` is how much all trainings
    find the same parts hard.
    """
    hard = rng.normal(size=(80, 1))
    n, errors = np.repeat(np.array(sizes, float), repeats), []
    for size in n:
        level = (floor + 1.2 * size**-0.6) * np.exp(0.15 * rng.normal() - 0.15**2 / 2)
        part = np.sqrt(shared) * hard + np.sqrt(1 - shared) * rng.normal(size=(80, 1))
        photo = np.sqrt(0.8) * part + np.sqrt(0.2) * rng.normal(size=(80, 3))
        errors.append((photo < norm.ppf(level)).mean())
    return n, np.array(errors)


@pytest.mark.slow
@pytest.mark.parametrize("shared", [0.0, 0.8])
@pytest.mark.parametrize(
    ("sizes", "repeats"), [((50, 100, 200), 1), ((50, 100, 200), 3), ((25, 50, 100, 200), 2)]
)
def test_forecasts_cover_the_truth(sizes: tuple[int, ...], repeats: int, shared: float) -> None:
    rng = np.random.default_rng(3)
    truth = 1.2 * 400**-0.6
    trials, covered = 150, 0
    for trial in range(trials):
        n, errors = _trainings(rng, sizes, repeats, 0.0, shared)
        law = fit_power_law(n, errors, photos=240, parts=80, draws=600, seed=trial)
        low, high = law.forecast(400).interval
        covered += low <= truth <= high
    assert covered / trials >= 0.92  # 95 % is promised


def test_the_validation_parts_that_all_trainings_share_count() -> None:
    """Without them the interval would be too narrow: no scatter shows what is shared."""
    rng = np.random.default_rng(4)
    truth, covered, without = 1.2 * 400**-0.6, 0, 0
    for trial in range(150):
        n, errors = _trainings(rng, (50, 100, 200), 5, 0.0, shared=0.95)
        for parts in (80, 10**6):
            law = fit_power_law(n, errors, photos=10**6, parts=parts, draws=600, seed=trial)
            low, high = law.forecast(400).interval
            covered += (low <= truth <= high) and parts == 80
            without += (low <= truth <= high) and parts != 80
    assert covered / 150 >= 0.92
    assert without / 150 < 0.9


@pytest.mark.slow
def test_a_floor_is_not_seen_but_at_twice_the_data_still_within_the_interval() -> None:
    rng = np.random.default_rng(5)
    near, far, covered = [], [], 0
    for trial in range(150):
        n, errors = _trainings(rng, (25, 50, 100, 200), 3, 0.02, shared=0.5)
        law = fit_power_law(n, errors, photos=240, parts=80, draws=600, seed=trial)
        truth = 0.02 + 1.2 * 400**-0.6
        near.append(law.forecast(400).error / truth)
        far.append(law.forecast(20_000).error / (0.02 + 1.2 * 20_000**-0.6))
        low, high = law.forecast(400).interval
        covered += low <= truth <= high
    assert covered / 150 >= 0.92
    assert np.median(near) > 0.8
    assert np.median(far) < 0.6  # what the module warns of


def test_more_trainings_and_more_parts_narrow_the_forecast() -> None:
    rng = np.random.default_rng(6)

    def width(repeats: int, parts: int) -> float:
        sizes = np.repeat([50.0, 100.0, 200.0], repeats)
        noise = np.exp(0.1 * rng.normal(size=len(sizes)))
        law = _fit(sizes, 1.2 * sizes**-0.6 * noise, parts=parts)
        low, high = law.forecast(400).interval
        return float(np.log(high / low))

    few, many = (np.mean([width(r, p) for _ in range(10)]) for r, p in ((2, 50), (6, 5000)))
    assert many < few / 2


@pytest.mark.parametrize("n", [1e-6, 1, 200, 1e12])
def test_a_forecast_is_a_share(n: float) -> None:
    law = _fit([10, 20, 40], np.array([0.9, 0.3, 0.2]), photos=50, parts=5)
    found = law.forecast(n)
    assert 0 <= found.interval[0] <= found.interval[1] <= 1
    assert 0 < found.error <= 1


def test_the_same_seed_gives_the_same_interval() -> None:
    sizes, errors = np.array([10, 20, 40]), np.array([0.4, 0.3, 0.25])
    options = {"photos": 60, "parts": 30}
    one, same, other = (fit_power_law(sizes, errors, **options, seed=s) for s in (1, 1, 2))
    assert one.forecast(80) == same.forecast(80)
    assert one.forecast(80) != other.forecast(80)


# ---- what can't be fitted ----------------------------------------------------------------


def test_three_sizes_are_needed() -> None:
    with pytest.raises(DataError, match="at least 3 numbers of parts, but got 2"):
        _fit([50, 50, 100, 100], np.full(4, 0.1))


@pytest.mark.parametrize(
    ("sizes", "errors", "photos", "parts"),
    [
        ([1, 2], [0.1], 9, 9),
        ([0, 1, 2], [0.1, 0.1, 0.1], 9, 9),
        ([1, 2, 4], [0.1, 0.1, 1.1], 9, 9),
        ([1, 2, 4], [0.1, 0.1, float("nan")], 9, 9),
        ([1, 2, 4], [0.1, 0.1, 0.1], 9, 10),
        ([1, 2, 4], [0.1, 0.1, 0.1], 9, 0),
    ],
)
def test_what_is_no_measurement_is_refused(
    sizes: list[int], errors: list[float], photos: int, parts: int
) -> None:
    with pytest.raises(ValueError, match="Expected"):
        _fit(sizes, np.array(errors), photos, parts)


@pytest.mark.parametrize("n", [0, -1, float("nan"), float("inf")])
def test_a_forecast_needs_parts(n: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        _fit([1, 2, 4], np.array([0.3, 0.2, 0.1])).forecast(n)


def test_as_json_is_json() -> None:
    law = _fit([10, 20, 40], np.array([0.4, 0.3, 0.25]))
    told = json.loads(json.dumps(law.as_json()))
    assert set(told) == {"scale", "exponent", "exponent_interval", "flat"}
    told = json.loads(json.dumps(law.forecast(80).as_json()))
    assert told == {
        "n": 80.0,
        "error": law.forecast(80).error,
        "interval": list(law.forecast(80).interval),
    }
