"""The plot of shortcuts: why the class can be predicted without the part."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from fastdefect.aliases import Floats
from fastdefect.data.audit.appearance import THUMBNAIL, Appearance
from fastdefect.data.audit.shortcut_features import CORNER, RING
from fastdefect.data.audit.shortcuts import Probe
from fastdefect.reporting.plots.style import FAINT, INK, drawing
from fastdefect.reporting.sheets.contact_sheet import clean
from fastdefect.text import counted

# Okabe and Ito's palette, which is safe for colour-blind readers; each class also has its own row.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_TELLS, _HARMLESS = "#d55e00", "#0072b2"
_COVER = 232  # the grey over the pixels that no probe of border or corners uses
_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
# The pixels of a thumbnail that the probe of the border uses, and those that any probe uses.
_RING = np.pad(np.zeros((THUMBNAIL - 2 * RING,) * 2, bool), RING, constant_values=True)
_AT_END = np.pad(np.zeros(THUMBNAIL - 2 * CORNER, bool), CORNER, constant_values=True)
_SEEN = _RING | (_AT_END[:, None] & _AT_END)
_LETTERS = 16
_TILES = len(_COLOURS)
_BINS = np.linspace(0, 256, 65)


def draw_shortcut(
    probes: Sequence[Probe],
    looks: Sequence[Appearance],
    labels: NDArray[np.int64],
    classes: Sequence[str],
    path: Path,
) -> None:
    """Draw the border and the light of each class and the results of the probes, as a PNG.

    ``labels`` (n_photos,) are indices into ``classes``, ``looks`` are those of the same photos. The
    upper row has the mean borders of the classes side by side. The lower row has the brightness of
    borders and of whole photos, and the AUC of each probe with its interval beside that of shuffled
    labels. With more than six classes, those with the most photos are shown.

    Raises ValueError without photos or if the lengths differ, OSError if ``path`` cannot be
    written.
    """
    if not looks or len(looks) != len(labels):
        raise ValueError(
            f"Expected an appearance for each of {len(labels)} photos, got {len(looks)}"
        )
    counts = np.bincount(labels, minlength=len(classes))
    order = np.argsort(-counts, kind="stable")[: len(_COLOURS)]
    shown = sorted(int(i) for i in order if counts[i])
    border = np.array([look.thumbnail[_RING].mean(axis=0) @ _LUMA for look in looks])
    whole = np.array([look.brightness for look in looks])
    names = [_short(classes[i]) for i in shown]
    rows = max(len(shown), 0.45 * len(probes))
    with drawing(path, 12, 4.4 + 0.42 * rows) as figure:
        figure.suptitle(_verdict(probes), x=0.01, ha="left", fontsize=12.5, fontweight="bold")
        heights = [2.5, 1.2 + 0.42 * rows]
        above, below = figure.subfigures(2, 1, height_ratios=heights, squeeze=False)[:, 0]
        some = f" ({len(shown)} of {len(classes)} classes)" if len(shown) < len(classes) else ""
        title = f"The pixels that the probes of border and corners use{some}"
        above.suptitle(title, x=0.01, ha="left", fontsize=10.5)
        of_class = [np.flatnonzero(labels == i) for i in shown]
        _draw_borders(above, [look.thumbnail for look in looks], border, of_class, names)
        left, middle, right = below.subplots(1, 3, width_ratios=[1, 1, 1.7])
        for panel, light, of in ((left, border, "Border"), (middle, whole, "Photo")):
            _draw_light(panel, [light[i] for i in of_class], names, f"{of} brightness")
        middle.tick_params(labelleft=False)
        if probes:
            _draw_probes(right, probes)
            below.legend(handles=_legend(), loc="outside lower right", ncols=4)
        else:
            right.set_axis_off()


def _verdict(probes: Sequence[Probe]) -> str:
    if not probes:
        return "Too few parts to test whether the class can be predicted without the part"
    telling = [probe for probe in probes if probe.tells]
    if any(probe.limit != "info" for probe in telling):
        return "The class can be predicted without the part"
    if telling:
        return "The class can be predicted, but perhaps only from the part or data no model uses"
    return "No shortcut found: nothing beside the part predicts the class"


def _short(name: str) -> str:
    plain = clean(name)
    half = _LETTERS // 2
    return plain if len(plain) <= _LETTERS else f"{plain[:half]}…{plain[1 - half :]}"


# ---- the borders


def _draw_borders(
    figure: SubFigure,
    thumbnails: Sequence[NDArray[np.uint8]],
    border: Floats,
    of_class: Sequence[NDArray[np.int64]],
    names: Sequence[str],
) -> None:
    """The mean of each class; with few classes also some of their photos, from dark to bright.

    ``of_class`` are the indices of the photos of each class, ``border`` the brightness of each
    border.
    """
    examples = _TILES // len(names) - 1
    tiles: list[tuple[Floats, str, str]] = []
    for photos, name, colour in zip(of_class, names, _COLOURS, strict=False):
        mean = np.zeros(thumbnails[0].shape)
        for i in photos:
            mean += thumbnails[i] / len(photos)
        tiles.append((mean, f"{name}\nmean of {counted(len(photos), 'photo')}", colour))
        ascending = photos[np.argsort(border[photos], kind="stable")]
        for place in (np.arange(examples) + 0.5) / max(examples, 1):
            example = thumbnails[ascending[int(place * len(ascending))]]
            tiles.append((example.astype(np.float64), f"{name}\nexample", colour))
    panels = figure.subplots(1, _TILES, squeeze=False)[0]
    for panel, (pixels, text, colour) in zip(panels, tiles, strict=False):
        pale = np.where(_SEEN[..., None], pixels, 0.15 * pixels + 0.85 * _COVER)
        panel.imshow(np.rint(pale).astype(np.uint8), interpolation="nearest")
        panel.set(xticks=[], yticks=[], xlabel=text)
        panel.grid(visible=False)
        panel.spines[:].set(visible=True, color=colour, linewidth=2)
    for panel in panels[len(tiles) :]:
        panel.set_axis_off()


# ---- the light


def _draw_light(panel: Axes, groups: Sequence[Floats], names: Sequence[str], title: str) -> None:
    """A row for each class: the distribution of its photos' brightness, and the median."""
    for row, (values, colour) in enumerate(zip(groups, _COLOURS, strict=False)):
        share = np.histogram(values, _BINS)[0].astype(np.float64)
        heights = 0.82 * share / share.max()
        base = len(groups) - 1 - row
        panel.stairs(heights + base, _BINS, baseline=base, fill=True, color=colour, alpha=0.75)
        middle = float(np.median(values))
        panel.plot([middle, middle], [base, base + 0.9], color=INK, linewidth=1.4)
    panel.set_yticks(range(len(groups)), list(names)[::-1], va="bottom")
    panel.set(title=title, xlabel="0 to 255; line: median")
    panel.set_xlim(0, 256)
    panel.set_ylim(-0.05, len(groups))
    panel.tick_params(axis="y", length=0)
    panel.grid(visible=False, axis="y")


# ---- the probes


def _draw_probes(panel: Axes, probes: Sequence[Probe]) -> None:
    """A row for each probe: the AUC with its interval over the band of shuffled labels."""
    for row, probe in enumerate(reversed(probes)):
        if probe.constant:
            panel.text(0.52, row, "the same in all photos", va="center", color=FAINT)
            continue
        low, high = probe.shuffled_interval
        panel.barh(row, high - low, left=low, height=0.62, color="#d9d9d9")
        colour = _colour(probe)
        panel.plot(probe.interval, (row, row), color=colour, linewidth=2.2, solid_capstyle="butt")
        face = colour if probe.tells else "#ffffff"
        panel.plot(probe.auc, row, "o", color=colour, markerfacecolor=face, markersize=6)
        text = f"{probe.auc:.2f} [{probe.interval[0]:.2f}, {probe.interval[1]:.2f}]"
        panel.text(1.04, row, text, va="center", color=colour)
    panel.axvline(0.5, color=FAINT, linewidth=1, zorder=0)
    panel.set_yticks(range(len(probes)), [probe.name for probe in reversed(probes)])
    lowest = min([0.3, *(probe.interval[0] for probe in probes)])
    panel.set_xlim(lowest - 0.03, 1.37)
    panel.set_xticks(np.arange(np.ceil(lowest * 10), 11) / 10)
    panel.set_ylim(-0.6, len(probes) - 0.4)
    panel.tick_params(axis="y", length=0)
    panel.grid(visible=False, axis="y")
    panel.set(title="Prediction of the class by each probe", xlabel="AUC: 0.5 is chance, 1 perfect")


def _colour(probe: Probe) -> str:
    if not probe.tells:
        return INK
    return _HARMLESS if probe.limit == "info" else _TELLS


def _legend() -> list[Line2D | Patch]:
    points = (
        (_TELLS, _TELLS, "predicts the class"),
        (_HARMLESS, _HARMLESS, "predicts it, perhaps from the part or data no model uses"),
        (INK, "#ffffff", "does not"),
    )
    return [
        *(
            Line2D([], [], color=edge, markerfacecolor=face, marker="o", markersize=6, label=text)
            for edge, face, text in points
        ),
        Patch(color="#d9d9d9", label="with shuffled labels (95 %)"),
    ]
