"""The checks that need the part of every photo."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from fastdefect.data.findings import Check, Finding, Together
from fastdefect.data.parts.search import Link
from fastdefect.data.photos import Photo
from fastdefect.data.reading.checks import LABEL_CONFLICT
from fastdefect.text import counted, first

FEW_PARTS = 10  # per class: with fewer, one or two held-out parts determine every metric

LEAK = Check(
    "leak",
    "error",
    rank=10,
    meaning="a part in several of the given train, valid and test splits; the share is of test",
    form="{:.1%} of test",
    picture=Together(20, "part", beside_training=True),
)
SAME_PART = Check(
    "same_part",
    "warning",
    rank=40,
    meaning="other photos show the same part, or the given parts contradict the search",
    picture=Together(40, "found part"),
)
NEAR_DUPLICATE = Check(
    "near_duplicate",
    "warning",
    rank=50,
    meaning="the same shot recompressed or resized, or nearly identical shots",
    picture=Together(30, "shot", sizes=True),
)
SMALL_CLASS = Check(
    "small_class", "warning", rank=80, meaning=f"a class with fewer than {FEW_PARTS} parts"
)


def check_parts(
    photos: Sequence[Photo],
    classes: Sequence[str],
    parts: Sequence[str],
    links: Sequence[Link],
    good: Sequence[str] = (),
) -> list[Finding]:
    """All findings on repeats, leaks and the number of parts per class.

    ``parts`` names the part of every photo. ``links`` are the pairs of ``photos`` that a search
    assigned to the same part (empty if parts were given). ``good`` names the good classes: a part
    can have photos of several of them, for example of its front and its back.
    """
    return [
        *_near_duplicates(photos, links),
        *_same_parts(photos, parts, links),
        *_label_conflicts(photos, parts, links, frozenset(good)),
        *_leaks(photos, parts),
        *_small_classes(photos, classes, parts),
    ]


def _near_duplicates(photos: Sequence[Photo], links: Sequence[Link]) -> list[Finding]:
    """One shot stored twice: recompressed, resized or re-encoded otherwise."""
    copies = [link for link in links if link.copy]
    if not copies:
        return []
    names = _in_order(photos, copies)
    text = (
        f"{len(names)} photos are recompressed or resized copies of one another, or nearly "
        f"identical: {_pair(photos, copies[0])}{' and others' if len(names) > 2 else ''}. Copies "
        f"add no information. Keep the best photo of each group."
    )
    return [NEAR_DUPLICATE.finding(text, len(names), names)]


def _same_parts(
    photos: Sequence[Photo], parts: Sequence[str], links: Sequence[Link]
) -> list[Finding]:
    """Photos of a part that other photos also show."""
    shots = {photo.sha256: part for photo, part in zip(photos, parts, strict=True)}
    several = {part for part, n in Counter(shots.values()).items() if n > 1}
    shown = [i for i, part in enumerate(parts) if part in several]
    found = []
    if shown and links:
        names = tuple(photos[i].name for i in sorted(shown, key=lambda i: (parts[i], i)))
        text = (
            f"{len(shown)} of {len(photos)} photos show a part that other photos also show: "
            f"{counted(len(several), 'part')} of {len(set(parts))}, such as "
            f"{_pair(photos, links[0])}. Keep them together in every split; fit and split do so."
        )
        found.append(SAME_PART.finding(text, len(shown), names))
    conflicting = [
        link
        for link in links
        if (a := photos[link.one].part) and (b := photos[link.other].part) and a != b
    ]
    if conflicting:
        text = (
            f"{counted(len(conflicting), 'pair')} of photos appear to show the same part, but have "
            f"different given parts: {_pair(photos, conflicting[0])}. Inspect the photos and "
            f"correct the part column."
        )
        found.append(SAME_PART.finding(text, len(conflicting), _in_order(photos, conflicting)))
    return found


def _label_conflicts(
    photos: Sequence[Photo], parts: Sequence[str], links: Sequence[Link], good: frozenset[str]
) -> list[Finding]:
    """One shot or one part with two labels. (Identical files are reported elsewhere.)"""
    conflicting = [link for link in links if photos[link.one].label != photos[link.other].label]
    shots = [link for link in conflicting if link.copy]
    found = []
    if shots:
        text = (
            f"{counted(len(shots), 'pair')} of copies with different labels, at least one of them "
            f"wrong: {_labelled(photos, shots[0])}."
        )
        found.append(LABEL_CONFLICT.finding(text, len(shots), _in_order(photos, shots)))
    labels: dict[str, set[str]] = defaultdict(set)
    for photo, part in zip(photos, parts, strict=True):
        labels[part].add(photo.label)
    mixed = [part for part, its in labels.items() if len(its) > 1 and not its <= good]
    names = tuple(
        photos[i].name
        for i in sorted(range(len(photos)), key=lambda i: (parts[i], i))
        if parts[i] in mixed
    )
    known = {name for link in shots for name in (photos[link.one].name, photos[link.other].name)}
    if set(names) - known and not _only_copies(photos, parts, mixed):
        text = (
            f"{counted(len(mixed), 'part')} with photos of more than one class: "
            f"{first(names)}. A part with a defect on any side is defective. Check the labels; if "
            f"each says what its photo shows, decide by part (threshold --decide part)."
        )
        found.append(LABEL_CONFLICT.finding(text, len(mixed), names, severity="warning"))
    return found


def _only_copies(photos: Sequence[Photo], parts: Sequence[str], mixed: Sequence[str]) -> bool:
    """Whether each mixed part is one file under several names, which is reported elsewhere."""
    digests: dict[str, set[str]] = defaultdict(set)
    for photo, part in zip(photos, parts, strict=True):
        digests[part].add(photo.sha256)
    return all(len(digests[part]) == 1 for part in mixed)


def _leaks(photos: Sequence[Photo], parts: Sequence[str]) -> list[Finding]:
    """Parts in more than one of the given splits; the value is the share of test."""
    sides: dict[str, set[str]] = defaultdict(set)
    for photo, part in zip(photos, parts, strict=True):
        if photo.split is not None:
            sides[part].add(photo.split)
    leaking: dict[str, list[str]] = {"test": [], "valid": []}
    for photo, part in zip(photos, parts, strict=True):
        # Validation leaks only from train. A part in valid and test counts for test.
        seen = {"test": {"train", "valid"}, "valid": {"train"}}.get(photo.split or "", set())
        if sides[part] & seen:
            leaking[str(photo.split)].append(photo.name)
    if not any(leaking.values()):
        return []
    sizes = Counter(photo.split for photo in photos)
    affected = [
        f"{len(names)} of {sizes[split]} {split} photos ({len(names) / sizes[split]:.1%})"
        for split, names in leaking.items()
        if names
    ]
    message = (
        f"{' and '.join(affected)} show parts that are also in training or validation, so the "
        f"metrics there are too optimistic: {first(leaking['test'] or leaking['valid'])}. "
        f"Use --unleak to remove those parts from training."
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
    # A class without photos is that of the defects, where only good parts are learned.
    small = [(name, len(of)) for name, of in held.items() if of and len(of) < FEW_PARTS]
    if not small:
        return []
    counts = ", ".join(f"{name} {counted(n, 'part')}" for name, n in small)
    text = (
        f"Too few parts to train or to evaluate on: {counts}. With fewer than {FEW_PARTS} parts "
        f"in a class, a single part determines every metric. Photograph more parts, not more "
        f"photos of the same parts."
    )
    return [SMALL_CLASS.finding(text, min(n for _, n in small))]


def _in_order(photos: Sequence[Photo], links: Sequence[Link]) -> tuple[str, ...]:
    """The names of linked photos, pairs adjacent where possible, each name once."""
    names = [photos[i].name for link in links for i in (link.one, link.other)]
    return tuple(dict.fromkeys(names))


def _pair(photos: Sequence[Photo], link: Link) -> str:
    return f"{photos[link.one].name} = {photos[link.other].name}"


def _labelled(photos: Sequence[Photo], link: Link) -> str:
    one, other = photos[link.one], photos[link.other]
    return f"{one.name} ({one.label}) = {other.name} ({other.label})"
