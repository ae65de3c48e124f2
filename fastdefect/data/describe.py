"""What was read, found and split, in notes for the user."""

from collections import Counter
from collections.abc import Sequence

from fastdefect.config import DataConfig
from fastdefect.data.audit.size_checks import describe_reduction
from fastdefect.data.findings import Finding
from fastdefect.data.photos import Manifest
from fastdefect.data.reading.depth import GREY_SCALE
from fastdefect.data.splitting.folds import Folds
from fastdefect.data.splitting.split import SPLITS, PlainLeaks, Split
from fastdefect.events import Note, OnEvent
from fastdefect.text import counted


def describe(manifest: Manifest, split: Split) -> list[Note]:
    """Describe the photos, the findings and the split, one note each."""
    return [
        *describe_photos(manifest),
        *finding_notes(manifest.findings),
        describe_split(split),
    ]


def describe_split(split: Split) -> Note:
    """Describe the sizes of the splits."""
    sides = ", ".join(f"{name} {len(split.of(name))}" for name in SPLITS)
    if split.unused:
        sides += f", unused {len(split.unused)}"
    return Note(f"Split by parts kept whole ({parts_in_words(split.parts)}): {sides}.")


def describe_photos(manifest: Manifest) -> list[Note]:
    """Describe the number of photos of each class and the good classes."""
    counts = ", ".join(f"{name} {count}" for name, count in manifest.counts.items())
    role = (
        f"good is {' and '.join(map(repr, manifest.good))}, all else is a defect"
        if manifest.good
        else "no class is good: escape and overkill are not defined"
    )
    seen = [Note(manifest.seen)] if manifest.seen else []
    return [
        *seen,
        Note(f"{len(manifest.photos)} photos in {manifest.root.name}: {counts}; {role}."),
        *_describe_products(manifest),
    ]


def _describe_products(manifest: Manifest) -> list[Note]:
    found = Counter(photo.product for photo in manifest.photos)
    if not set(found) - {None}:
        return []
    counts = ", ".join(f"{name or 'unknown'} {n}" for name, n in found.most_common())
    return [Note(f"Products: {counts}.")]


def describe_pixels(manifest: Manifest, config: DataConfig) -> list[Note]:
    """Describe how much smaller the photos become and, of deep ones, what is white."""
    notes = [Note(describe_reduction(manifest.photos, config))]
    scale = [each for each in manifest.findings if each.kind == GREY_SCALE.kind]
    # As a warning, it is listed with the others.
    return notes + [Note(each.message) for each in scale if each.severity == "info"]


def parts_in_words(parts: Sequence[str]) -> str:
    """The number of parts, or that each photo is its own part."""
    n_parts = len(set(parts))
    return "each photo its own part" if n_parts == len(parts) else counted(n_parts, "part")


def describe_leaks(manifest: Manifest, divided: Split | Folds, leaks: PlainLeaks) -> list[Note]:
    """Describe the leaks that whole parts prevent, and the photos that --unleak removed."""
    notes = []
    if leaks.leaked:
        notes.append(
            Note(
                f"A plain split would have leaked {leaks.leaked} of {leaks.held_out} held-out "
                f"photos ({leaks.leaked / leaks.held_out:.1%}): their parts are also in train."
            )
        )
    if divided.unused:
        given = Counter(manifest.photos[i].split or "no split" for i in divided.unused)
        removed = " and ".join(f"{counted(n, 'photo')} of {side}" for side, n in given.items())
        notes.append(
            Note(f"--unleak removes {removed}: their parts are also in the given valid or test.")
        )
    return notes


def tell(notes: Sequence[Note], on_event: OnEvent) -> None:
    """Pass the notes to ``on_event`` one by one."""
    for note in notes:
        on_event(note)


def finding_notes(findings: Sequence[Finding], *, short: bool = False) -> list[Note]:
    """One note for each finding; ``short`` only counts the findings of severity info."""
    listed = [finding for finding in findings if not (short and finding.severity == "info")]
    notes = [
        Note(finding.message, "info" if finding.severity == "info" else "warning")
        for finding in listed
    ]
    if short and findings:
        more = len(findings) - len(listed)
        hidden = f"{counted(more, 'finding')} of severity info not listed. " if more else ""
        notes.append(Note(f"{hidden}For all findings, with pictures: fastdefect audit."))
    return notes
