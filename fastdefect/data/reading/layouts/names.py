"""Labels in the names of files, by ``--label-from``: ``OK_12.jpg``, ``part7-NG.png``."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from fastdefect.data.findings import Finding
from fastdefect.data.parts.names import labels_from_names
from fastdefect.data.photos import Entry
from fastdefect.data.reading.good_class import recognise_good
from fastdefect.data.reading.layouts.gathered import NO_LABEL, Gathered, left_out
from fastdefect.data.reading.layouts.masks import Masks
from fastdefect.data.reading.layouts.sides import sides_by_folder
from fastdefect.data.reading.layouts.tree import Tree
from fastdefect.text import counted, first

_MOST_LABELS = 20  # a part of the name with more values than these is a number or a lot
_SEPARATORS = r"_\-. +"


def gather_named(tree: Tree, masks: Masks, pattern: str) -> Gathered:
    """All photos, labelled by the match of ``pattern`` in their names; sides by their folders."""
    names = [name for name in tree.photos if name not in masks.every]
    labels = labels_from_names(names, pattern)
    sides = sides_by_folder(names)
    entries = [
        Entry(
            name,
            tree.photos[name],
            unicodedata.normalize("NFC", label),
            None,
            sides.get(name),
            mask=tree.photos[masks.of[name]] if name in masks.of else None,
        )
        for name, label in zip(names, labels, strict=True)
        if label is not None
    ]
    alone = [name for name, label in zip(names, labels, strict=True) if label is None]
    given = ", in given train, valid and test folders" if sides else ""
    seen = f"labels in file names by --label-from {pattern!r}{given}"
    findings = [*no_match(alone, len(names)), *left_out(masks.spare, "masks without a photo")]
    return Gathered("names", seen, entries, findings)


def no_match(names: Sequence[str], total: int) -> list[Finding]:
    """The finding on photos whose names ``--label-from`` does not match, if there are any."""
    if not names:
        return []
    text = (
        f"{len(names)} of {counted(total, 'name')} do not match --label-from; these photos are "
        f"excluded: {first(names)}."
    )
    return [NO_LABEL.finding(text, len(names), names)]


def propose_pattern(names: Sequence[str]) -> str | None:
    """A pattern for ``--label-from`` that fits these names; None if there is no likely one.

    Each place in the names is tried, counted from the left and from the right: what stands there
    must be few different words, each in two photos or more. A place where one of the words means
    good is preferred.
    """
    likely = [
        (_rank(labels), pattern)
        for pattern in _patterns(names)
        if (labels := _labels(names, pattern)) and _are_labels(labels, len(names))
    ]
    return max(likely, key=lambda found: found[0])[1] if likely else None


def _patterns(names: Sequence[str]) -> list[str]:
    """Patterns for the first four words of a file name and for the last three."""
    word = "[A-Za-z]+" if all(map(str.isascii, names)) else r"[^\W\d_]+"
    inside = any("/" in name for name in names)
    start, rest = ("(?:^|/)", "[^/]*$") if inside else ("^", "")
    skipped, kept = rf"[^/{_SEPARATORS}]+[{_SEPARATORS}]+", rf"[{_SEPARATORS}]+[^/{_SEPARATORS}]+"
    from_left = [f"{start}{skipped * n}({word}){rest}" for n in range(4)]
    from_right = [rf"({word})\d*{kept * n}\.\w+$" for n in range(3)]
    return [*from_left, *from_right]


def _labels(names: Sequence[str], pattern: str) -> list[str]:
    found = (re.search(pattern, name) for name in names)
    return [match[1] for match in found if match]


def _are_labels(labels: Sequence[str], photos: int) -> bool:
    counts = Counter(labels)
    return (
        2 <= len(counts) <= _MOST_LABELS
        and min(counts.values()) >= 2
        and len(labels) >= 0.9 * photos
    )


def _rank(labels: Sequence[str]) -> tuple[bool, int]:
    return recognise_good(sorted(set(labels))) is not None, len(labels)
