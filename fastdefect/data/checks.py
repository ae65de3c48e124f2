"""What is said about photos once they have been read."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from fastdefect.data.findings import Finding
from fastdefect.data.parts import join_parts
from fastdefect.data.photos import Photo
from fastdefect.data.wording import counted, first

IMBALANCE = 3.0  # beyond this ratio of the largest to the smallest class, a warning


def check_photos(
    photos: Sequence[Photo], classes: Sequence[str], unreadable: Mapping[str, str]
) -> list[Finding]:
    """All findings about the photos; ``unreadable`` gives a reason by name."""
    return [
        *_unreadable(unreadable, len(photos) + len(unreadable)),
        *_duplicates(photos),
        *_leaks(photos),
        *_absent_classes(photos, classes),
        *_imbalance(photos),
    ]


def reasons(unreadable: Mapping[str, str]) -> str:
    """Reasons by count: ``2 empty file, 1 truncated JPEG``."""
    return ", ".join(f"{n} {reason}" for reason, n in Counter(unreadable.values()).most_common())


def _unreadable(unreadable: Mapping[str, str], total: int) -> list[Finding]:
    if not unreadable:
        return []
    examples = first([f"{name} ({reason})" for name, reason in unreadable.items()])
    message = (
        f"{len(unreadable)} of {total} photos can't be read and will be left out "
        f"({reasons(unreadable)}): {examples}."
    )
    return [Finding("unreadable", "warning", message, len(unreadable), None, (*unreadable,))]


def _duplicates(photos: Sequence[Photo]) -> list[Finding]:
    """Byte-identical photos, and among them those with different labels."""
    by_digest: dict[str, list[Photo]] = defaultdict(list)
    for photo in photos:
        by_digest[photo.sha256].append(photo)
    groups = [group for group in by_digest.values() if len(group) > 1]
    torn = [group for group in groups if len({photo.label for photo in group}) > 1]
    found = []
    if groups:
        names = tuple(photo.name for group in groups for photo in group)
        text = (
            f"{len(names)} files hold only {counted(len(groups), 'different photo')}: "
            f"{' = '.join(photo.name for photo in groups[0][:2])}"
            f"{' and others' if len(names) > 2 else ''}. Copies stay on one side of the split."
        )
        found.append(Finding("duplicate", "warning", text, len(names), None, names))
    if torn:
        names = tuple(photo.name for group in torn for photo in group)
        pair = sorted({photo.label: photo.name for photo in torn[0]}.items())
        text = (
            f"{counted(len(torn), 'photo')} under more than one class, so that a label must be "
            f"wrong: {' = '.join(f'{name} ({label})' for label, name in pair[:2])}"
            f"{' and others' if len(names) > 2 else ''}."
        )
        found.append(Finding("label_conflict", "error", text, len(torn), None, names))
    return found


def _leaks(photos: Sequence[Photo]) -> list[Finding]:
    """Parts that the given splits show on two sides; the figure is the share of test."""
    sides: dict[str, set[str]] = defaultdict(set)
    parts = join_parts(
        [photo.name for photo in photos],
        [photo.part for photo in photos],
        [photo.sha256 for photo in photos],
    )
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
        f"figures there are too good: {first(leaking['test'] or leaking['valid'])}."
    )
    share = len(leaking["test"]) / sizes["test"] if sizes["test"] else None
    paths = (*leaking["test"], *leaking["valid"])
    return [Finding("leak", "error", message, share, None, paths)]


def _absent_classes(photos: Sequence[Photo], classes: Sequence[str]) -> list[Finding]:
    found = []
    for split in ("valid", "test"):
        there = {photo.label for photo in photos if photo.split == split}
        absent = [name for name in classes if name not in there]
        if there and absent:
            text = f"The given {split} photos show no {first(absent)}: nothing can be said of it."
            found.append(Finding("absent_class", "warning", text, len(absent)))
    return found


def _imbalance(photos: Sequence[Photo]) -> list[Finding]:
    counts = Counter(photo.label for photo in photos).most_common()
    (most, n_most), (least, n_least) = counts[0], counts[-1]
    ratio = n_most / n_least
    if ratio <= IMBALANCE:
        return []
    text = f"{most} has {counted(n_most, 'photo')}, {least} only {n_least}: {ratio:.1f} to 1."
    return [Finding("imbalance", "warning", text, ratio)]
