"""The bars of an ablation: what is drawn is read off the figure."""

from pathlib import Path
from typing import Any

import pytest
from helpers.ablations import figures_of
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image

from fastdefect.evaluation.ablation import Gain, Step, gains
from fastdefect.reporting.plots.ablate import plot_ablation

STEPS = (
    Step("old", "old one", {}, None),
    Step("arch", "new one", {}, "old"),
    Step("loss", "another", {}, "arch", aside=True),
    Step("sampler", "worse", {}, "arch"),
    Step("same", "same", {}, "sampler"),
    Step("left", "never trained", {}, "sampler"),
)
ACCURACY = {
    "old": (0.70, 0.72, 0.74),
    "arch": (0.80, 0.83, 0.83),
    "loss": (0.90, 0.73, 0.83),
    "sampler": (0.60, 0.62, 0.63),
    "same": (0.60, 0.62, 0.63),
}


def _plot(path: Path, accuracy: dict[str, Any], steps: tuple[Step, ...] = STEPS) -> None:
    plot_ablation(path, steps, gains(steps, figures_of(accuracy)))


def test_a_bar_for_each_gain_with_its_interval_and_seeds(
    drawn: list[Figure], tmp_path: Path
) -> None:
    _plot(tmp_path / "a.png", ACCURACY)
    f1, accuracy = drawn[0].axes
    assert [label.get_text() for label in f1.get_yticklabels()] == [
        *("new one", "(another)", "worse", "same")
    ]
    widths = [bar.get_width() for bar in accuracy.patches]
    assert widths == pytest.approx([10.0, 0.0, -20.3333, 0.0], abs=1e-3)
    assert [bar.get_width() for bar in f1.patches] == pytest.approx(
        [each / 200 for each in widths], abs=1e-6
    )
    lines = [line for line in accuracy.lines if line.get_linestyle() == "-"][1:]  # first: at 0
    gain = Gain((0.10, 0.11, 0.09))
    assert gain.interval is not None
    assert list(lines[0].get_xdata()) == pytest.approx([100 * end for end in gain.interval])
    dots = [line for line in accuracy.lines if line.get_marker() == "o"]
    assert sorted(dots[0].get_xdata()) == pytest.approx([9, 10, 11])
    assert [set(each.get_ydata()) for each in dots] == [{0}, {1}, {2}, {3}]


def test_colours_show_the_evidence(drawn: list[Figure], tmp_path: Path) -> None:
    _plot(tmp_path / "a.png", ACCURACY)
    colours = [to_hex(bar.get_facecolor()) for bar in drawn[0].axes[1].patches]
    better, spans, worse, same = colours
    assert len({better, spans, worse}) == 3
    assert same == spans


def test_a_single_seed_and_seeds_that_agree_are_grey_without_a_line(
    drawn: list[Figure], tmp_path: Path
) -> None:
    _plot(tmp_path / "one.png", {name: of[:1] for name, of in ACCURACY.items()})
    _plot(tmp_path / "agree.png", {"old": (0.5, 0.5), "arch": (0.75, 0.75)})
    _plot(tmp_path / "spans.png", {"old": (0.5, 0.5), "arch": (0.75, 0.25)})
    grey = to_hex(drawn[2].axes[1].patches[0].get_facecolor())
    for figure in drawn[:2]:
        panel = figure.axes[1]
        assert {to_hex(bar.get_facecolor()) for bar in panel.patches} == {grey}
        assert len([line for line in panel.lines if line.get_linestyle() == "-"]) == 1


@pytest.mark.usefixtures("drawn_for_real")
@pytest.mark.parametrize("count", [0, 1, 15])
def test_every_number_of_steps_makes_a_picture_that_is_as_high_as_it_needs(
    tmp_path: Path, count: int
) -> None:
    steps = tuple(Step(f"s{i}", f"step {i}", {}, f"s{i - 1}" if i else None) for i in range(16))
    accuracy = {f"s{i}": (0.5 + i / 100, 0.55 + i / 90) for i in range(count + 1)}
    _plot(tmp_path / "a.png", accuracy, steps)
    with Image.open(tmp_path / "a.png") as picture:
        width, height = picture.size
    assert width == 1100
    assert height == pytest.approx(110 * (1.6 + 0.34 * max(count, 1)), abs=2)


def test_a_figure_that_is_not_defined_draws_nothing(drawn: list[Figure], tmp_path: Path) -> None:
    of = {name: Gain((0.1, 0.2)) for name in ("f1", "gap", "auc")} | {"accuracy": Gain(())}
    plot_ablation(tmp_path / "a.png", STEPS[:2], {"arch": of})
    assert len(drawn[0].axes[0].patches) == 1
    assert len(drawn[0].axes[1].patches) == 0


@pytest.mark.usefixtures("drawn_for_real")
def test_the_same_gains_give_the_same_bytes(tmp_path: Path) -> None:
    _plot(tmp_path / "a.png", ACCURACY)
    _plot(tmp_path / "b.png", ACCURACY)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_missing_folder_is_reported(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="none"):
        _plot(tmp_path / "none" / "a.png", ACCURACY)
