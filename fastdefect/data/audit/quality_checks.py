"""Photos of another quality than the rest: by their files, their light, their focus.

Each is compared with the others in the folder, since what is dark or soft for one camera is
usual for the next. In light and focus a photo stands out only if it lies far outside the
spread of its class *and* differs by an amount that matters, so that a clean folder gives no
finding. A second way of taking photos, such as another lamp for a whole class or for every
eighth photo, is no outlier: whether it gives the class away is for the shortcut probe to say.
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
from fastdefect.text import first

Mask = NDArray[np.bool_]

# What so many photos share is usual; what so few have beside it is odd.
_USUAL, _ODD = 0.8, 0.05
# So many spreads away is far; so many photos tell what their spread is.
_FAR, _ENOUGH = 3.2, 20

_AREA, _ASPECT = 4.0, 1.5  # factors to the usual size that are odd where no two are alike
_GREY, _COLOURED = 0.25, 3.0  # mean distance from grey up to which, from which, a photo is so
_BLANK = 2.0  # standard deviation of the luma below which nothing can be seen
_PALE, _EMPTY = 4.0, 0.2  # the same without noise, and its share of the usual
_EXPOSURE = 0.75  # in log odds of the brightness: from 128 down to 82, or up to 173
_WIDER = 1.4  # edges so many times as wide as usual are soft

_OUTLIER = "far from the rest of its class, and beyond an absolute limit"

BLANK = Check(
    "blank",
    "warning",
    rank=110,
    meaning="nearly uniform: it shows no part",
    picture=Singles(60, measure="contrast", form="{:.1f}"),
)
OUT_OF_FOCUS = Check(
    "out_of_focus",
    "warning",
    rank=120,
    meaning=f"soft: {_OUTLIER}",
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
    meaning="the file is not what its name says",
    picture=Singles(120, note="is {photo.facts.kind}"),
)
ODD_SIZE = Check(
    "odd_size",
    "warning",
    rank=160,
    meaning="dimensions unlike nearly all the rest",
    picture=Singles(100, note="{photo.width} x {photo.height}"),
)
ODD_MODE = Check(
    "odd_mode",
    "warning",
    rank=170,
    meaning="colour or depth unlike nearly all the rest",
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
    """What is remarkable about single files and photos; ``looks[i]`` is of ``photos[i]``.

    Each check of this module gives at most one finding. The value is the number of photos, the
    paths are their names, the worst first. Light and focus are judged in folders
    of 20 photos or more; a blank photo is only blank.
    """
    if len(photos) != len(looks):
        raise ValueError(f"Expected a look at each of {len(photos)} photos, got {len(looks)}")
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
    said: str,
    advice: str,
    note: Callable[[int], str],
) -> Finding | None:
    """``2 of 90 photos are SAID: NAME (NOTE), NAME (NOTE). ADVICE``, or None for no photos."""
    if not worst:
        return None
    names = tuple(photos[i].name for i in worst)
    examples = first([f"{photos[i].name} ({note(i)})" for i in worst])
    verb = "is" if len(worst) == 1 else "are"
    text = f"{len(worst)} of {len(photos)} photos {verb} {said}: {examples}. {advice}"
    return check.finding(text, len(worst), names)


# ---- files -------------------------------------------------------------------------------


def _wrong_suffix(photos: Sequence[Photo]) -> Finding | None:
    worst = [i for i, photo in enumerate(photos) if not photo.facts.suffix_fits]
    said = "named like another kind of file"
    advice = "They are read as what they are; other programs may fail: rename them."
    return _finding(WRONG_SUFFIX, photos, worst, said, advice, lambda i: photos[i].facts.kind)


def _animated(photos: Sequence[Photo]) -> Finding | None:
    several = [i for i, photo in enumerate(photos) if photo.facts.frames > 1]
    worst = sorted(several, key=lambda i: -photos[i].facts.frames)
    said = "the first of several pictures in a file"
    advice = "Only that one is used: save the others as photos of their own if they count."
    return _finding(ANIMATED, photos, worst, said, advice, lambda i: f"of {photos[i].facts.frames}")


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
    said = f"of another size than the rest ({usual})"
    advice = "Resized like the rest, their parts look coarse or stretched: export them alike."
    return _finding(ODD_SIZE, photos, _worst(odd, off), said, advice, sizes.__getitem__)


def _odd_mode(photos: Sequence[Photo], looks: Sequence[Appearance], judged: Mask) -> Finding | None:
    stored = [_stored(photo.facts.mode) for photo in photos]
    usual, odd = _odd_ones(stored)
    off_colour = _odd_colour(looks, judged)
    # The rest is only another way to store the same picture.
    harmful = off_colour | odd & np.array([word == _DEEP for word in stored])
    said = f"of another mode than the rest{f' ({usual})' if usual else ''}"
    advice = (
        "A network takes them for something else: photograph and export them like the rest."
        if harmful.any()
        else "They are read like the rest, but may come from another source."
    )

    def note(i: int) -> str:
        if off_colour[i]:
            return "grey" if looks[i].colour <= _GREY else "coloured"
        return stored[i]

    check = ODD_MODE if harmful.any() else replace(ODD_MODE, severity="info")
    worst = _worst(off_colour | odd, harmful.astype(np.float64))
    return _finding(check, photos, worst, said, advice, note)


_DEEP = "16 bits"


def _stored(mode: str) -> str:
    """How a photo of one of Pillow's modes is stored, in words."""
    if ";16" in mode or mode in ("I", "F"):
        return _DEEP
    if mode.startswith("P"):
        return "palette"
    if mode.endswith(("A", "a")):
        return "with transparency"
    words = {"1": "black and white", "L": "grey", "RGB": "colour", "": "unknown"}
    return words.get(mode, mode)


def _odd_colour(looks: Sequence[Appearance], judged: Mask) -> Mask:
    """Few grey photos among coloured ones, or few coloured ones among grey ones."""
    colour = np.array([look.colour for look in looks])
    grey, coloured = judged & (colour <= _GREY), judged & (colour >= _COLOURED)
    for few, most in ((grey, coloured), (coloured, grey)):
        if most.sum() >= _USUAL * judged.sum() and few.sum() <= _few(int(judged.sum())):
            return few
    return np.zeros(len(looks), np.bool_)


def _odd_ones(words: Sequence[str]) -> tuple[str | None, Mask]:
    """The word that nearly all share, if there is one, and who has a rare one beside it."""
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
    """(n,) Photos without anything on them, but for noise and uneven light."""
    contrast = np.array([look.contrast for look in looks])
    # Area averages leave no noise in the thumbnail, only what the photo shows.
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
        "They show no part: take them out, or photograph these parts again.",
        lambda i: f"contrast {contrast[i]:.1f}, usual {np.median(contrast):.0f}",
    )


def _exposure(
    photos: Sequence[Photo], looks: Sequence[Appearance], judged: Mask
) -> list[Finding | None]:
    light = np.array([look.brightness for look in looks])
    # Log odds: as much room below the middle as above, however bright the usual photo is.
    odds = np.log((light + 1) / (256 - light))
    labels = _labels(photos)
    usual = _medians(light, labels)
    # Beside its class and beside all: the usual light of another class is no trouble.
    dark, bright = (
        _far_below(side, labels, _EXPOSURE, judged)
        & _far_below(side, np.zeros_like(labels), _EXPOSURE, judged)
        for side in (odds, -odds)
    )
    advice = "Photograph them again, or take them out if the line never sees such light."

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
    # The width of the edges, but for a factor (see look_at).
    width = np.array([max(look.sharpness**2 - 1, 0.05) ** -0.5 for look in looks])
    labels = _labels(photos)
    soft = _far_below(-np.log(width), labels, np.log(_WIDER), judged)
    wider = width / _medians(width, labels)
    return _finding(
        OUT_OF_FOCUS,
        photos,
        _worst(soft, wider),
        "out of focus beside the rest",
        "Photograph them again, or take them out: they hide small defects.",
        lambda i: f"edges {wider[i]:.1f} times as wide",
    )


def _labels(photos: Sequence[Photo]) -> NDArray[np.str_]:
    return np.array([photo.label for photo in photos])


def _medians(values: Floats, labels: NDArray[np.str_]) -> Floats:
    """(n,) For each value the median of its class."""
    medians = {label: float(np.median(values[labels == label])) for label in np.unique(labels)}
    return np.array([medians[label] for label in labels])


def _worst(found: Mask, badness: Floats) -> list[int]:
    """The indices of those found, the worst first, else in their order."""
    order = np.argsort(-badness, kind="stable")
    return [int(i) for i in order if found[i]]


def _far_below(
    values: Floats, labels: NDArray[np.str_], least: float, judged: Mask | None = None
) -> Mask:
    """(n,) Which of the ``judged`` lie far below the rest of their class, by ``least`` or more.

    Far is measured by the spread of the class or, where it has too few photos to tell, of all.
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
    """The same to either side."""
    return _far_below(values, labels, least) | _far_below(-values, labels, least)


def _spread_below(values: Floats) -> float:
    """A robust standard deviation of those values that lie below the median.

    It is the upper quartile of how far they lie below it, over the 1.15 standard deviations
    that this is in a normal distribution. One-sided, as brightness and sharpness are skewed;
    a quartile and not their median, so that a second mode of every eighth value or more
    widens the spread instead of standing out of it. What few values tell is taken with two
    standard errors on top (2.6 / sqrt(n), from the density of the normal distribution).
    """
    lack = np.median(values) - values
    quartile = float(np.quantile(lack[lack >= 0], 0.75))
    return quartile / 1.15 * (1 + 2.6 / np.sqrt(len(values)))
