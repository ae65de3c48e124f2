"""What is said about photos once it is known which of them show one part."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from fastdefect.data.findings import Check, Finding, Together
from fastdefect.data.parts.search import Link
from fastdefect.data.photos import Photo
from fastdefect.data.reading.checks import LABEL_CONFLICT
from fastdefect.text import counted, first

FEW_PARTS = 10  # of a class: below that a held-out part or two decide every figure

LEAK = Check(
    "leak",
    "error",
    rank=10,
    meaning="a part on two of the given train, valid and test sides; the share is of test",
    form="{:.1%} of test",
    picture=Together(20, "part", beside_training=True),
)
SAME_PART = Check(
    "same_part",
    "warning",
    rank=40,
    meaning="other photos show the same part; or the given parts contradict what was found",
    picture=Together(40, "found part"),
)
NEAR_DUPLICATE = Check(
    "near_duplicate",
    "warning",
    rank=50,
    meaning="the same shot recompressed or resized, or as good as that",
    picture=Together(30, "shot", sizes=True),
)
SMALL_CLASS = Check(
    "small_class", "warning", rank=80, meaning=f"a class with fewer than {FEW_PARTS} parts"
)


def check_parts(
    photos: Sequence[Photo], classes: Sequence[str], parts: Sequence[str], links: Sequence[Link]
) -> list[Finding]:
    """All findings about repeats, leaks and class sizes in parts.

    ``parts`` names the part of every photo; ``links`` are the pairs of ``photos`` that a search
    found to show one part (none where parts were given).
    """
    return [
        *_near_duplicates(photos, links),
        *_same_parts(photos, parts, links),
        *_label_conflicts(photos, parts, links),
        *_leaks(photos, parts),
        *_small_classes(photos, classes, parts),
    ]


def _near_duplicates(photos: Sequence[Photo], links: Sequence[Link]) -> list[Finding]:
    """One shot stored twice: recompressed, resized or otherwise re-encoded."""
    copies = [link for link in links if link.copy]
    if not copies:
        return []
    names = _in_order(photos, copies)
    text = (
        f"{len(names)} photos are copies of one another, recompressed or resized, or as good as "
        f"that: {_pair(photos, copies[0])}{' and others' if len(names) > 2 else ''}. They add "
        f"nothing: keep the best of each."
    )
    return [NEAR_DUPLICATE.finding(text, len(names), names)]


def _same_parts(
    photos: Sequence[Photo], parts: Sequence[str], links: Sequence[Link]
) -> list[Finding]:
    """Photos that were found to show a part of which there is another photo."""
    shots = {photo.sha256: part for photo, part in zip(photos, parts, strict=True)}
    several = {part for part, n in Counter(shots.values()).items() if n > 1}
    shown = [i for i, part in enumerate(parts) if part in several]
    found = []
    if shown and links:
        names = tuple(photos[i].name for i in sorted(shown, key=lambda i: (parts[i], i)))
        text = (
            f"{len(shown)} of {len(photos)} photos show a part that others show too: "
            f"{counted(len(several), 'part')} of {len(set(parts))}, such as "
            f"{_pair(photos, links[0])}. A split must keep them together, as fit and split do."
        )
        found.append(SAME_PART.finding(text, len(shown), names))
    torn = [
        link
        for link in links
        if (a := photos[link.one].part) and (b := photos[link.other].part) and a != b
    ]
    if torn:
        text = (
            f"{counted(len(torn), 'pair')} of photos seem to show one part, but are given "
            f"different ones: {_pair(photos, torn[0])}. Look at them, and mend the part column."
        )
        found.append(SAME_PART.finding(text, len(torn), _in_order(photos, torn)))
    return found


def _label_conflicts(
    photos: Sequence[Photo], parts: Sequence[str], links: Sequence[Link]
) -> list[Finding]:
    """One shot, or one part, under two classes. (Identical files are told of elsewhere.)"""
    torn = [link for link in links if photos[link.one].label != photos[link.other].label]
    shots = [link for link in torn if link.copy]
    found = []
    if shots:
        text = (
            f"{counted(len(shots), 'pair')} of copies under different classes, so that a label "
            f"must be wrong: {_labelled(photos, shots[0])}."
        )
        found.append(LABEL_CONFLICT.finding(text, len(shots), _in_order(photos, shots)))
    labels: dict[str, set[str]] = defaultdict(set)
    for photo, part in zip(photos, parts, strict=True):
        labels[part].add(photo.label)
    mixed = [part for part in labels if len(labels[part]) > 1]
    names = tuple(
        photos[i].name
        for i in sorted(range(len(photos)), key=lambda i: (parts[i], i))
        if len(labels[parts[i]]) > 1
    )
    known = {name for link in shots for name in (photos[link.one].name, photos[link.other].name)}
    if set(names) - known and not _only_copies(photos, parts, mixed):
        text = (
            f"{counted(len(mixed), 'part')} with photos of more than one class: "
            f"{first(names)}. A part that is good from one side and defective from another is "
            f"a defect; or a label is wrong."
        )
        found.append(LABEL_CONFLICT.finding(text, len(mixed), names, severity="warning"))
    return found


def _only_copies(photos: Sequence[Photo], parts: Sequence[str], mixed: Sequence[str]) -> bool:
    """Whether each mixed part is but one file under several names: told of already."""
    digests: dict[str, set[str]] = defaultdict(set)
    for photo, part in zip(photos, parts, strict=True):
        digests[part].add(photo.sha256)
    return all(len(digests[part]) == 1 for part in mixed)


def _leaks(photos: Sequence[Photo], parts: Sequence[str]) -> list[Finding]:
    """Parts that the given splits show on two sides; the figure is the share of test."""
    sides: dict[str, set[str]] = defaultdict(set)
    for photo, part in zip(photos, parts, strict=True):
        if photo.split is not None:
            sides[part].add(photo.split)
    leaking: dict[str, list[str]] = {"test": [], "valid": []}
    for photo, part in zip(photos, parts, strict=True):
        # Validation only leaks from train; a part in valid and test is test's trouble.
        seen = {"test": {"train", "valid"}, "valid": {"train"}}.get(photo.split or "", set())
        if sides[part] & seen:
            leaking[str(photo.split)].append(photo.name)
    if not any(leaking.values()):
        return []
    sizes = Counter(photo.split for photo in photos)
    said = [
        f"{len(names)} of {sizes[split]} {split} photos ({len(names) / sizes[split]:.1%})"
        for split, names in leaking.items()
        if names
    ]
    message = (
        f"{' and '.join(said)} show parts that are trained or tuned on too, so that the "
        f"figures there are too good: {first(leaking['test'] or leaking['valid'])}. "
        f"--unleak takes those parts out of training."
    )
    share = len(leaking["test"]) / sizes["test"] if sizes["test"] else None
    paths = (*leaking["test"], *leaking["valid"])
    return [LEAK.finding(message, share, paths)]


def _small_classes(
    photos: Sequence[Photo], classes: Sequence[str], parts: Sequence[str]
) -> list[Finding]:
    held: dict[str, set[str]] = {name: set() for name in classes}
    for photo, part in zip(photos, parts, strict=True):
        held[photo.label].add(part)
    small = [(name, len(of)) for name, of in held.items() if len(of) < FEW_PARTS]
    if not small:
        return []
    said = ", ".join(f"{name} {counted(n, 'part')}" for name, n in small)
    text = (
        f"Too few parts to learn from or to judge by: {said}. Below {FEW_PARTS} parts of a "
        f"class a single one decides every figure; photograph other parts, not the same again."
    )
    return [SMALL_CLASS.finding(text, min(n for _, n in small))]


def _in_order(photos: Sequence[Photo], links: Sequence[Link]) -> tuple[str, ...]:
    """The names of linked photos, pairs side by side as far as each is named once."""
    names = [photos[i].name for link in links for i in (link.one, link.other)]
    return tuple(dict.fromkeys(names))


def _pair(photos: Sequence[Photo], link: Link) -> str:
    return f"{photos[link.one].name} = {photos[link.other].name}"


def _labelled(photos: Sequence[Photo], link: Link) -> str:
    one, other = photos[link.one], photos[link.other]
    return f"{one.name} ({one.label}) = {other.name} ({other.label})"
