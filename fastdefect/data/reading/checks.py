"""The checks that need only the photos and their labels."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from fastdefect.data.findings import Check, Finding, Singles, Together
from fastdefect.data.photos import Photo
from fastdefect.text import counted, first

IMBALANCE = 3.0  # maximum ratio of the largest to the smallest class without a warning

UNREADABLE = Check(
    "unreadable",
    "warning",
    rank=70,
    meaning="empty, truncated, damaged, or not an image",
    picture=Singles(140),
)
DUPLICATE = Check(
    "duplicate",
    "warning",
    rank=60,
    meaning="files with identical bytes",
    picture=Together(50, "file"),
)
LABEL_CONFLICT = Check(
    "label_conflict",
    "error",
    rank=20,
    meaning="one file, one shot or one part with different labels",
    picture=Together(10, "closest", mark_labels=True),
)
ABSENT_CLASS = Check(
    "absent_class",
    "warning",
    rank=90,
    meaning="a class that is absent from a given train, valid or test split",
)
IMBALANCED = Check(
    "imbalance",
    "warning",
    rank=100,
    meaning=f"the largest class has more than {IMBALANCE:g} times the photos of the smallest",
    form="{:.1f} to 1",
)


def check_photos(
    photos: Sequence[Photo], classes: Sequence[str], unreadable: Mapping[str, str]
) -> list[Finding]:
    """Return the findings that need no parts; ``unreadable`` maps a name to a reason.

    ``classes`` are those that a model learns.
    The checks that need the parts are in ``part_checks``.
    """
    return [
        *_unreadable(unreadable, len(photos) + len(unreadable)),
        *_duplicates(photos),
        *_absent_classes(photos, classes),
        *_imbalance([photo for photo in photos if photo.label in classes]),
    ]


def reasons(unreadable: Mapping[str, str]) -> str:
    """The reasons with their counts: ``2 empty file, 1 truncated JPEG``."""
    return ", ".join(f"{n} {reason}" for reason, n in Counter(unreadable.values()).most_common())


def _unreadable(unreadable: Mapping[str, str], total: int) -> list[Finding]:
    if not unreadable:
        return []
    examples = first([f"{name} ({reason})" for name, reason in unreadable.items()])
    message = (
        f"{len(unreadable)} of {total} photos cannot be read and are excluded "
        f"({reasons(unreadable)}): {examples}."
    )
    return [UNREADABLE.finding(message, len(unreadable), (*unreadable,))]


def _duplicates(photos: Sequence[Photo]) -> list[Finding]:
    """Photos with identical bytes, and those of them with different labels."""
    by_digest: dict[str, list[Photo]] = defaultdict(list)
    for photo in photos:
        by_digest[photo.sha256].append(photo)
    groups = [group for group in by_digest.values() if len(group) > 1]
    conflicting = [group for group in groups if len({photo.label for photo in group}) > 1]
    found = []
    if groups:
        names = tuple(photo.name for group in groups for photo in group)
        text = (
            f"{len(names)} files contain only {counted(len(groups), 'different photo')}: "
            f"{' = '.join(photo.name for photo in groups[0][:2])}"
            f"{' and others' if len(names) > 2 else ''}. Copies stay on one side of the split."
        )
        found.append(DUPLICATE.finding(text, len(names), names))
    if conflicting:
        names = tuple(photo.name for group in conflicting for photo in group)
        pair = sorted({photo.label: photo.name for photo in conflicting[0]}.items())
        text = (
            f"{counted(len(conflicting), 'photo')} with more than one label, at least one of them "
            f"wrong: {' = '.join(f'{name} ({label})' for label, name in pair[:2])}"
            f"{' and others' if len(names) > 2 else ''}."
        )
        found.append(LABEL_CONFLICT.finding(text, len(conflicting), names))
    return found


def _absent_classes(photos: Sequence[Photo], classes: Sequence[str]) -> list[Finding]:
    found = []
    for split, effect in (
        ("train", "a model cannot learn it"),
        ("valid", "no metric covers it"),
        ("test", "no metric covers it"),
    ):
        given = any(photo.split == split for photo in photos)
        # Photos in no given split become train photos.
        sides = {split, None} if split == "train" else {split}
        present = {photo.label for photo in photos if photo.split in sides}
        absent = [name for name in classes if name not in present]
        if given and absent:
            text = f"The given {split} photos do not contain {first(absent)}: {effect}."
            found.append(ABSENT_CLASS.finding(text, len(absent)))
    return found


def _imbalance(photos: Sequence[Photo]) -> list[Finding]:
    counts = Counter(photo.label for photo in photos).most_common()
    (most, n_most), (least, n_least) = counts[0], counts[-1]
    ratio = n_most / n_least
    if ratio <= IMBALANCE:
        return []
    text = f"{most} has {counted(n_most, 'photo')}, {least} only {n_least}: {ratio:.1f} to 1."
    return [IMBALANCED.finding(text, ratio)]
