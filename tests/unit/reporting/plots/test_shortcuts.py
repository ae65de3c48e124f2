"""The picture of a shortcut: what it shows, and that nothing of it lies upon something else."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from fastdefect.data.audit.appearance import Appearance, measure_appearance
from fastdefect.data.audit.shortcuts import Probe
from fastdefect.reporting.plots.shortcuts import draw_shortcut

CLASSES = ("def_front", "ok_front")


def look(border: int, inside: int = 90) -> Appearance:
    image = np.full((64, 64, 3), border, np.uint8)
    image[6:-6, 6:-6] = inside
    return measure_appearance(image)


def looks_of(labels: np.ndarray) -> list[Appearance]:
    """The border is 100 for class 0, 115 for class 1 and so on, and one more in each photo."""
    return [look(100 + 15 * int(label) + i % 3) for i, label in enumerate(labels)]


def probes() -> list[Probe]:
    border = Probe(
        "border", "", 0.93, (0.91, 0.95), 0.5, (0.45, 0.55), 12.0, 0.01, False, 90, 30, "error"
    )
    even = (0.5, 0.5)
    return [
        border,
        replace(border, name="file size", auc=0.74, interval=(0.7, 0.78), limit="info"),
        replace(border, name="light", auc=0.52, interval=(0.46, 0.58), excess=0.4),
        replace(border, name="mode", auc=0.5, interval=even, excess=0.0, constant=True),
    ]


def panel(figure: Figure, title: str) -> Axes:
    (found,) = [axes for axes in figure.axes if axes.get_title("left") == title]
    return found


def texts(figure: Figure) -> list[Text]:
    found = figure.findobj(lambda artist: isinstance(artist, Text) and artist.get_visible())
    return [text for text in found if text.get_text().strip()]


LABELS = np.repeat([0, 1], [30, 20])


@pytest.mark.slow
def test_the_same_picture_every_time(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        draw_shortcut(probes(), looks_of(LABELS), LABELS, CLASSES, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as image:
        assert image.size[0] == 1320
        assert 500 < image.size[1] < 900


def test_the_interior_is_pale_and_the_border_as_it_is(tmp_path: Path, drawn: list[Figure]) -> None:
    draw_shortcut(probes(), looks_of(LABELS), LABELS, CLASSES, tmp_path / "a.png")
    tiles = [axes for axes in drawn[0].axes if axes.get_images()]
    said = [axes.get_xlabel() for axes in tiles]
    assert said[0] == "def_front\nmean of 30 photos"
    assert said[1] == said[2] == "def_front\nexample"
    assert said[3] == "ok_front\nmean of 20 photos"
    for axes, border in ((tiles[0], 101), (tiles[3], 116)):
        pixels = np.asarray(axes.get_images()[0].get_array())
        for at in (0, 3):
            assert abs(int(pixels[at, 32, 0]) - border) <= 1
        assert abs(int(pixels[5, 5, 0]) - border) <= 1  # the corners reach farther in
        assert pixels[5, 32, 0] > 200
        assert abs(int(pixels[32, 32, 0]) - (0.15 * 90 + 0.85 * 232)) <= 1


def test_examples_go_from_dark_to_bright(tmp_path: Path, drawn: list[Figure]) -> None:
    labels = np.repeat([0, 1], 8)
    looks = [look(100 + 10 * (5 * i % 8)) for i in range(16)]
    draw_shortcut(probes(), looks, labels, CLASSES, tmp_path / "a.png")
    tiles = [axes.get_images()[0].get_array() for axes in drawn[0].axes if axes.get_images()]
    assert [int(tile[0, 0, 0]) for tile in tiles[1:3]] == [120, 160]  # the 1st and 3rd quarter


def test_brightness_by_class(tmp_path: Path, drawn: list[Figure]) -> None:
    draw_shortcut(probes(), looks_of(LABELS), LABELS, CLASSES, tmp_path / "a.png")
    border = panel(drawn[0], "Border brightness")
    assert [label.get_text() for label in border.get_yticklabels()] == ["ok_front", "def_front"]
    medians = [line.get_xdata()[0] for line in border.get_lines()]
    assert medians == pytest.approx([101, 116], abs=1)
    photo = panel(drawn[0], "Photo brightness")
    middle = np.median([look.brightness for look in looks_of(LABELS)[:30]])
    assert photo.get_lines()[0].get_xdata()[0] == pytest.approx(middle)
    assert border.get_xlim() == photo.get_xlim()


def test_probes_with_their_intervals(tmp_path: Path, drawn: list[Figure]) -> None:
    draw_shortcut(probes(), looks_of(LABELS), LABELS, CLASSES, tmp_path / "a.png")
    right = panel(drawn[0], "Prediction of the class by each probe")
    names = [label.get_text() for label in right.get_yticklabels()]
    assert names == ["mode", "light", "file size", "border"]  # from below
    said = [text.get_text() for text in right.texts]
    assert said == [
        "the same in all photos",
        "0.52 [0.46, 0.58]",
        "0.74 [0.70, 0.78]",
        "0.93 [0.91, 0.95]",
    ]
    bands = [(bar.get_x(), bar.get_width()) for bar in right.patches]
    assert bands == [pytest.approx((0.45, 0.1))] * 3
    points = [line for line in right.get_lines() if line.get_marker() == "o"]
    filled = [line.get_markerfacecolor() == line.get_color() for line in points]
    assert filled == [False, True, True]  # said by more than colour
    assert len({line.get_color() for line in points}) == 3


@pytest.mark.parametrize(
    ("chosen", "title"),
    [
        ([0, 1, 2, 3], "The class can be predicted without the part"),
        (
            [1, 2, 3],
            "The class can be predicted, but perhaps only from the part or data no model uses",
        ),
        ([2, 3], "No shortcut found: nothing beside the part predicts the class"),
        ([], "Too few parts to test whether the class can be predicted without the part"),
    ],
)
def test_the_title_has_the_verdict(
    tmp_path: Path, drawn: list[Figure], chosen: list[int], title: str
) -> None:
    given = [probes()[i] for i in chosen]
    draw_shortcut(given, looks_of(LABELS), LABELS, CLASSES, tmp_path / "a.png")
    assert drawn[0].get_suptitle() == title


@pytest.mark.usefixtures("drawn_for_real")
@pytest.mark.parametrize(
    "count",
    [2, pytest.param(3, marks=pytest.mark.slow), pytest.param(6, marks=pytest.mark.slow), 9],
)
def test_no_texts_overlap(tmp_path: Path, drawn: list[Figure], count: int) -> None:
    classes = [f"class_{i}_of_a_long_name" for i in range(count)]
    labels = np.arange(6 * count) % count
    eleven = [replace(probe, name=f"{probe.name} {i}") for i in range(3) for probe in probes()][:11]
    draw_shortcut(eleven, looks_of(labels), labels, classes, tmp_path / "a.png")
    figure = drawn[0]
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in texts(figure)]
    for i, (one, box) in enumerate(boxes):
        assert box.x0 >= 0, one
        assert box.x1 <= figure.bbox.width + 1, one
        for other, beside in boxes[i + 1 :]:
            apart = (
                box.x1 <= beside.x0 + 1
                or beside.x1 <= box.x0 + 1
                or box.y1 <= beside.y0 + 1
                or beside.y1 <= box.y0 + 1
            )
            assert apart, (one, other)


@pytest.mark.usefixtures("drawn_for_real")
def test_of_many_classes_the_largest(tmp_path: Path, drawn: list[Figure]) -> None:
    labels = np.repeat(np.arange(8), [5, 9, 1, 7, 3, 8, 6, 4])
    draw_shortcut(probes(), looks_of(labels), labels, list("abcdefgh"), tmp_path / "a.png")
    border = panel(drawn[0], "Border brightness")
    assert [label.get_text() for label in border.get_yticklabels()] == list("hgfdba")
    assert any("6 of 8 classes" in text.get_text() for text in texts(drawn[0]))


@pytest.mark.usefixtures("drawn_for_real")
def test_odd_names(tmp_path: Path) -> None:
    names = ("$5_{x", "line\nbreak \udcff")
    draw_shortcut(probes(), looks_of(LABELS), LABELS, names, tmp_path / "a.png")
    assert (tmp_path / "a.png").is_file()


def test_what_cannot_be_drawn(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Expected an appearance for each of 50 photos, got 49"):
        draw_shortcut(probes(), looks_of(LABELS)[1:], LABELS, CLASSES, tmp_path / "a.png")
    with pytest.raises(ValueError, match="got 0"):
        draw_shortcut(probes(), [], np.array([], np.int64), CLASSES, tmp_path / "a.png")
    assert not (tmp_path / "a.png").exists()
