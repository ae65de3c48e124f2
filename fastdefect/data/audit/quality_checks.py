"""Checks of single photos against the rest: file, exposure and focus.

Each photo is compared with the others in the folder, because values that are dark or soft for one
camera are typical of another one. In exposure and focus a photo is an outlier only if it is far
outside the spread of its class *and* the difference is large in absolute terms, so that a clean
folder gives no finding. A second way of taking photos, for example another lamp for a whole class
or for every eighth photo, is not an outlier; the shortcut probe decides whether it reveals the
class.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats
from fastdefect.data.audit.appearance import Appearance
from fastdefect.data.findings import Check, Finding, Singles
from fastdefect.data.photos import Photo
from fastdefect.data.reading.depth import is_deep_mode
from fastdefect.text import first

Mask = NDArray[np.bool_]

# The minimum share of a typical value, and the maximum share of an odd one.
_USUAL, _ODD = 0.8, 0.05
# The distance of an outlier, in spreads, and the minimum number of photos to estimate the spread.
_FAR, _ENOUGH = 3.2, 20

_AREA, _ASPECT = 4.0, 1.5  # factors to the typical size that are odd if no size is typical
# Mean distance from grey: the maximum of a grey photo, the minimum of a coloured one.
_GREY, _COLOURED = 0.25, 3.0
_BLANK = 2.0  # standard deviation of the luma below which nothing is visible
_PALE, _EMPTY = 4.0, 0.2  # the same without noise, and its share of the typical value
_EXPOSURE = 0.75  # in log odds of the brightness: from 128 down to 82, or up to 173
_WIDER = 1.4  # minimum ratio of edge widths of a soft photo

_OUTLIER = "an outlier of its class, and beyond an absolute limit"

BLANK = Check(
    "blank",
    "warning",
    rank=110,
    meaning="nearly uniform, without a visible part",
    picture=Singles(60, measure="contrast", form="{:.1f}"),
)
OUT_OF_FOCUS = Check(
    "out_of_focus",
    "warning",
    rank=120,
    meaning=f"blurred: {_OUTLIER}",
    picture=Singles(70, measure="sharpness", form="{:.2f}"),
)
UNDEREXPOSED = Check(
    "underexposed",
    "warning",
    rank=130,
    meaning=f"dark: {_OUTLIER}",
    picture=Singles(80, measure="brightness", form="{:.0f}"),
)
OVEREXPOSED = Check(
    "overexposed",
    "warning",
    rank=140,
    meaning=f"bright: {_OUTLIER}",
    picture=Singles(90, measure="brightness", form="{:.0f}"),
)
WRONG_SUFFIX = Check(
    "wrong_suffix",
    "warning",
    rank=150,
    meaning="the suffix of the name does not match the file",
    picture=Singles(120, note="is {photo.facts.kind}"),
)
ODD_SIZE = Check(
    "odd_size",
    "warning",
    rank=160,
    meaning="dimensions that differ from those of nearly all other photos",
    picture=Singles(100, note="{photo.width} x {photo.height}"),
)
ODD_MODE = Check(
    "odd_mode",
    "warning",
    rank=170,
    meaning="colour or bit depth that differs from that of nearly all other photos",
    picture=Singles(110, note="mode {photo.facts.mode}"),
)
ANIMATED = Check(
    "animated",
    "info",
    rank=180,
    meaning="more than one picture in the file",
    picture=Singles(130, note="1 of {photo.facts.frames} pictures"),
)


def check_quality(photos: Sequence[Photo], looks: Sequence[Appearance]) -> list[Finding]:
    """Return the findings on single files and photos; ``looks[i]`` is of ``photos[i]``.

    Each check of this module gives at most one finding. The value is the number of photos, the
    paths are their names, worst first. Exposure and focus are checked in folders of 20 photos or
    more. A blank photo is reported only as blank.
    """
    if len(photos) != len(looks):
        raise ValueError(
            f"Expected an appearance for each of {len(photos)} photos, got {len(looks)}"
        )
    if not photos:
        return []
    blank = _is_blank(photos, looks)
    found = [
        _wrong_suffix(photos),
        _animated(photos),
        _odd_size(photos),
        _odd_mode(photos, looks, ~blank),
        _blank(photos, looks, blank),
        *_exposure(photos, looks, ~blank),
        _out_of_focus(photos, looks, ~blank),
    ]
    return [finding for finding in found if finding is not None]


def _finding(
    check: Check,
    photos: Sequence[Photo],
    worst: Sequence[int],
    summary: str,
    advice: str,
    note: Callable[[int], str],
) -> Finding | None:
    """``2 of 90 photos are SUMMARY: NAME (NOTE), NAME (NOTE). ADVICE``, or None for no photos."""
    if not worst:
        return None
    names = tuple(photos[i].name for i in worst)
    examples = first([f"{photos[i].name} ({note(i)})" for i in worst])
    verb = "is" if len(worst) == 1 else "are"
    text = f"{len(worst)} of {len(photos)} photos {verb} {summary}: {examples}. {advice}"
    return check.finding(text, len(worst), names)


# ---- files -------------------------------------------------------------------------------


def _wrong_suffix(photos: Sequence[Photo]) -> Finding | None:
    worst = [i for i, photo in enumerate(photos) if not photo.facts.suffix_fits]
    summary = "named like another kind of file"
    advice = "They are read by their content, but other programs may fail. Rename them."
    return _finding(WRONG_SUFFIX, photos, worst, summary, advice, lambda i: photos[i].facts.kind)


def _animated(photos: Sequence[Photo]) -> Finding | None:
    several = [i for i, photo in enumerate(photos) if photo.facts.frames > 1]
    worst = sorted(several, key=lambda i: -photos[i].facts.frames)
    summary = "the first of several pictures in a file"
    advice = "Only the first one is used. Save the others as separate photos if you need them."
    return _finding(
        ANIMATED, photos, worst, summary, advice, lambda i: f"of {photos[i].facts.frames}"
    )


def _odd_size(photos: Sequence[Photo]) -> Finding | None:
    sizes = [f"{photo.width} x {photo.height}" for photo in photos]
    area = np.log([photo.width * photo.height for photo in photos])
    aspect = np.log([photo.width / photo.height for photo in photos])
    usual, odd = _odd_ones(sizes)
    if usual is None:
        labels = _labels(photos)
        odd = _far_off(area, labels, np.log(_AREA)) | _far_off(aspect, labels, np.log(_ASPECT))
        middle = (np.median(area) + np.median(aspect) * np.array([1, -1])) / 2
        usual = "about " + " x ".join(f"{side:.0f}" for side in np.exp(middle))
    off = np.abs(area - np.median(area)) + np.abs(aspect - np.median(aspect))
    summary = f"of another size than the rest ({usual})"
    advice = "After resizing, their parts look coarse or stretched. Export all photos in one size."
    return _finding(ODD_SIZE, photos, _worst(odd, off), summary, advice, sizes.__getitem__)


def _odd_mode(photos: Sequence[Photo], looks: Sequence[Appearance], judged: Mask) -> Finding | None:
    stored = [_stored(photo.facts.mode) for photo in photos]
    usual, odd = _odd_ones(stored)
    off_colour = _odd_colour(looks, judged)
    # The other photos only store the same picture in another way.
    harmful = off_colour | odd & np.array([word == _DEEP for word in stored])
    summary = f"of another mode than the rest{f' ({usual})' if usual else ''}"
    advice = (
        "They look different to a network. Photograph and export them like the rest."
        if harmful.any()
        else "They are read like the rest, but may come from another source."
    )

    def note(i: int) -> str:
        if off_colour[i]:
            return "grey" if looks[i].colour <= _GREY else "coloured"
        return stored[i]

    check = ODD_MODE if harmful.any() else replace(ODD_MODE, severity="info")
    worst = _worst(off_colour | odd, harmful.astype(np.float64))
    return _finding(check, photos, worst, summary, advice, note)


_DEEP = "16 bits"


def _stored(mode: str) -> str:
    """The storage of a photo with one of Pillow's modes, in words."""
    if is_deep_mode(mode):
        return _DEEP
    if mode.startswith("P"):
        return "palette"
    if mode.endswith(("A", "a")):
        return "with transparency"
    words = {"1": "black and white", "L": "grey", "RGB": "colour", "": "unknown"}
    return words.get(mode, mode)


def _odd_colour(looks: Sequence[Appearance], judged: Mask) -> Mask:
    """Mark a few grey photos among coloured ones, or a few coloured ones among grey ones."""
    colour = np.array([look.colour for look in looks])
    grey, coloured = judged & (colour <= _GREY), judged & (colour >= _COLOURED)
    for few, most in ((grey, coloured), (coloured, grey)):
        if most.sum() >= _USUAL * judged.sum() and few.sum() <= _few(int(judged.sum())):
            return few
    return np.zeros(len(looks), np.bool_)


def _odd_ones(words: Sequence[str]) -> tuple[str | None, Mask]:
    """The word of nearly all photos, if there is one, and the photos with a rare word."""
    counts = Counter(words)
    usual, most = counts.most_common(1)[0]
    if most < _USUAL * len(words):
        return None, np.zeros(len(words), np.bool_)
    odd = {word for word, n in counts.items() if word != usual and n <= _few(len(words))}
    return usual, np.array([word in odd for word in words], np.bool_)


def _few(total: int) -> float:
    return max(1.0, _ODD * total)


# ---- light and focus ---------------------------------------------------------------------


def _is_blank(photos: Sequence[Photo], looks: Sequence[Appearance]) -> Mask:
    """(n,) Photos with no content except noise and uneven light."""
    contrast = np.array([look.contrast for look in looks])
    # Area averages remove the noise from the thumbnail and keep the content of the photo.
    shown = np.array([look.thumbnail.mean(axis=2).std() for look in looks])
    usual = np.minimum(_medians(shown, _labels(photos)), np.median(shown))
    return (contrast < _BLANK) | ((shown < _PALE) & (shown < _EMPTY * usual))


def _blank(photos: Sequence[Photo], looks: Sequence[Appearance], blank: Mask) -> Finding | None:
    contrast = np.array([look.contrast for look in looks])
    return _finding(
        BLANK,
        photos,
        _worst(blank, -contrast),
        "nearly uniform",
        "They show no part. Remove them, or photograph these parts again.",
        lambda i: f"contrast {contrast[i]:.1f}, usual {np.median(contrast):.0f}",
    )


def _exposure(
    photos: Sequence[Photo], looks: Sequence[Appearance], judged: Mask
) -> list[Finding | None]:
    light = np.array([look.brightness for look in looks])
    # Log odds: symmetric below and above the median, at any typical brightness.
    odds = np.log((light + 1) / (256 - light))
    labels = _labels(photos)
    usual = _medians(light, labels)
    # Compared with its class and with all photos: the typical light of another class is acceptable.
    dark, bright = (
        _far_below(side, labels, _EXPOSURE, judged)
        & _far_below(side, np.zeros_like(labels), _EXPOSURE, judged)
        for side in (odds, -odds)
    )
    advice = "Photograph them again, or remove them if such light never occurs on the line."

    def note(i: int) -> str:
        return f"brightness {light[i]:.0f}, usual {usual[i]:.0f}"

    return [
        _finding(check, photos, _worst(odd, badness), f"much {word} than the rest", advice, note)
        for check, odd, badness, word in (
            (UNDEREXPOSED, dark, -light, "darker"),
            (OVEREXPOSED, bright, light, "brighter"),
        )
    ]


def _out_of_focus(
    photos: Sequence[Photo], looks: Sequence[Appearance], judged: Mask
) -> Finding | None:
    # The width of the edges up to a factor (see measure_appearance).
    width = np.array([max(look.sharpness**2 - 1, 0.05) ** -0.5 for look in looks])
    labels = _labels(photos)
    soft = _far_below(-np.log(width), labels, np.log(_WIDER), judged)
    wider = width / _medians(width, labels)
    return _finding(
        OUT_OF_FOCUS,
        photos,
        _worst(soft, wider),
        "out of focus compared with the rest",
        "Photograph them again, or remove them. They hide small defects.",
        lambda i: f"edges {wider[i]:.1f} times as wide",
    )


def _labels(photos: Sequence[Photo]) -> NDArray[np.str_]:
    return np.array([photo.label for photo in photos])


def _medians(values: Floats, labels: NDArray[np.str_]) -> Floats:
    """(n,) The median of the class of each value."""
    medians = {label: float(np.median(values[labels == label])) for label in np.unique(labels)}
    return np.array([medians[label] for label in labels])


def _worst(found: Mask, badness: Floats) -> list[int]:
    """The indices of those found, worst first, otherwise in their order."""
    order = np.argsort(-badness, kind="stable")
    return [int(i) for i in order if found[i]]


def _far_below(
    values: Floats, labels: NDArray[np.str_], least: float, judged: Mask | None = None
) -> Mask:
    """(n,) Which ``judged`` values are far below the rest of their class, by ``least`` or more.

    The unit of the distance is the spread of the class or, if it has too few photos, of all.
    """
    found = np.zeros(len(values), np.bool_)
    judged = np.ones(len(values), np.bool_) if judged is None else judged
    if judged.sum() < _ENOUGH:
        return found
    for label in np.unique(labels[judged]):
        mine = judged & (labels == label)
        rest = values[mine] if mine.sum() >= _ENOUGH else values[judged]
        far = np.median(rest) - values > _FAR * _spread_below(rest)
        found |= mine & far & (np.median(values[mine]) - values >= least)
    return found


def _far_off(values: Floats, labels: NDArray[np.str_], least: float) -> Mask:
    """The same for both directions."""
    return _far_below(values, labels, least) | _far_below(-values, labels, least)


def _spread_below(values: Floats) -> float:
    """A robust standard deviation of the values below the median.

    It is the upper quartile of their distances from the median, divided by the 1.15 standard
    deviations of this quartile in a normal distribution. It is one-sided, because brightness and
    sharpness are skewed. It is a quartile and not the median, so that a second mode of every
    eighth value or more widens the spread instead of being an outlier. For few values, two
    standard errors are added (2.6 / sqrt(n), from the density of the normal distribution).
    """
    lack = np.median(values) - values
    quartile = float(np.quantile(lack[lack >= 0], 0.75))
    return quartile / 1.15 * (1 + 2.6 / np.sqrt(len(values)))
