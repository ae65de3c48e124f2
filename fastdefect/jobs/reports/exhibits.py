"""The photos on the page of an audit: pairs, groups of one part, and single photos."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fastdefect.data.audit.audit import Audit
from fastdefect.data.audit.registry import CHECKS
from fastdefect.data.findings import SEVERITIES, Severity, Singles, Together
from fastdefect.data.parts.search import Link
from fastdefect.data.reading.images import Reading
from fastdefect.reporting.html.exhibits import Exhibit, Shot
from fastdefect.reporting.html.texts import say
from fastdefect.reporting.html.thumbnails import LIMIT, thumbnails
from fastdefect.reporting.sheets.audit import single_notes

_SHOTS = 6  # of one part
_SIDES = {"test": ("train", "valid"), "valid": ("train",)}  # where a part must not be as well
_MARKUP = 700  # bytes of a shot without its picture
_SURE = 99.0  # the evidence of identical files, above that of any link


@dataclass(frozen=True)
class _Tie:
    """Two photos (indices) that show one shot or part; ``link`` is None for identical files."""

    one: int
    other: int
    link: Link | None

    @property
    def evidence(self) -> float:
        return self.link.evidence if self.link else _SURE


def pairs_of(audit: Audit) -> list[Exhibit]:
    """Leaks, labels in conflict, contradicted parts and copies, the most severe first."""
    ties = [*_identical(audit), *(_Tie(link.one, link.other, link) for link in audit.links)]
    found = {(tie.one, tie.other): _pair(audit, tie) for tie in ties}
    shown = [each for each in found.values() if each is not None]
    shown += _leaks_without_tie(audit, ties)
    return _one_of_each_leak(_by_severity(shown))


def groups_of(audit: Audit) -> list[Exhibit]:
    """The photos of each part with several different ones, those with the most photos first."""
    photos = audit.manifest.photos
    members: dict[str, list[int]] = defaultdict(list)
    for i, part in enumerate(audit.parts):
        members[part].append(i)
    several = [of for of in members.values() if len({photos[i].sha256 for i in of}) > 1]
    several.sort(key=lambda of: -len(of))
    return _by_severity(_group(audit, of) for of in several)


def singles_of(audit: Audit) -> list[Exhibit]:
    """The photos that findings name one by one."""
    of_name = {photo.name: i for i, photo in enumerate(audit.manifest.photos)}
    kinds: dict[str, list[str]] = defaultdict(list)
    severity: dict[str, Severity] = {}
    for finding in audit.findings:
        check = CHECKS[finding.kind]
        if check.of_photos and not isinstance(check.picture, Together):
            for name in finding.paths:
                kinds[name].append(finding.kind)
                severity.setdefault(name, finding.severity)
    return [
        Exhibit(
            tuple(dict.fromkeys(found)),
            severity[name],
            "",
            (_single(audit, of_name.get(name), name, found),),
        )
        for name, found in kinds.items()
    ]


def with_pictures(
    sections: Sequence[Sequence[Exhibit]],
    paths: Mapping[str, Path],
    how: Reading,
    *,
    limit: int = LIMIT,
) -> list[tuple[Exhibit, ...]]:
    """The exhibits of each section with thumbnails.

    The page needs at most ``limit`` bytes: a photo that is shown several times counts as often.
    """
    uses = Counter(shot.name for of in sections for each in of for shot in each.shots)
    known = [name for name in uses if name in paths]
    if not known:
        return [tuple(of) for of in sections]
    total = uses.total()
    limit = int((limit - _MARKUP * total) * len(known) / total)
    made, _ = thumbnails([paths[name] for name in known], limit=limit, how=how)
    urls = {name: made.get(paths[name], "") for name in known}
    return [
        tuple(
            replace(
                each,
                shots=tuple(replace(s, picture=urls.get(s.name, "")) for s in each.shots),
            )
            for each in of
        )
        for of in sections
    ]


# ---- pairs


def _identical(audit: Audit) -> Iterator[_Tie]:
    """Each file with identical bytes, beside the first of them."""
    first: dict[str, int] = {}
    for i, photo in enumerate(audit.manifest.photos):
        one = first.setdefault(photo.sha256, i)
        if one != i:
            yield _Tie(one, i, None)


def _pair(audit: Audit, tie: _Tie) -> Exhibit | None:
    """The two photos if anything is wrong with them, the one that is held out first."""
    photos = audit.manifest.photos
    one, other = photos[tie.one], photos[tie.other]
    kinds = []
    leaks = [a for a, b in ((one, other), (other, one)) if b.split in _SIDES.get(a.split or "", ())]
    if leaks:
        kinds.append("leak")
    if one.label != other.label and not {one.label, other.label} <= set(audit.manifest.good):
        kinds.append("label_conflict")
    if one.part and other.part and one.part != other.part:
        kinds.append("same_part")
    if tie.link is None or tie.link.copy:
        kinds.append("near_duplicate" if tie.link else "duplicate")
    if not kinds:
        return None
    held_out = tie.other if leaks and leaks[0] is other else tie.one
    return _exhibit(audit, tie, kinds, held_out if leaks else None)


def _one_of_each_leak(pairs: Sequence[Exhibit]) -> list[Exhibit]:
    """Of pairs that only leak, the most similar one for each held-out photo."""
    known: set[str] = set()
    kept = []
    for each in pairs:
        held_out = each.shots[0].name
        if each.kinds != ("leak",) or held_out not in known:
            kept.append(each)
        if "leak" in each.kinds:
            known.add(held_out)
    return kept


def _leaks_without_tie(audit: Audit, ties: Sequence[_Tie]) -> Iterator[Exhibit]:
    """Held-out photos whose part is in training, but without a pair: beside a photo of the part."""
    photos = audit.manifest.photos
    tied = {
        frozenset((i, j)) for tie in ties for i, j in ((tie.one, tie.other), (tie.other, tie.one))
    }
    mates: dict[str, list[int]] = defaultdict(list)
    for i, part in enumerate(audit.parts):
        mates[part].append(i)
    for i, photo in enumerate(photos):
        seen = _SIDES.get(photo.split or "", ())
        beside = [j for j in mates[audit.parts[i]] if photos[j].split in seen]
        if beside and not any(frozenset((i, j)) in tied for j in beside):
            yield _exhibit(audit, _Tie(i, beside[0], None), ["leak"], i, compared=False)


def _exhibit(
    audit: Audit, tie: _Tie, kinds: Sequence[str], marked: int | None, *, compared: bool = True
) -> Exhibit:
    pair = (tie.other, tie.one) if marked == tie.other else (tie.one, tie.other)
    shots = tuple(_shot(audit, i, marked=i == marked) for i in pair)
    text = _relation(audit, tie) if compared else say("audit.one_part")
    alike = round(tie.evidence, 2) if compared else None
    return Exhibit(tuple(kinds), _severity(audit, kinds), text, shots, alike)


def _relation(audit: Audit, tie: _Tie) -> str:
    """``one shot, recompressed or resized, log odds +12.1, difference 1.3``."""
    link = tie.link
    if link is None:
        return say("audit.identical")
    words = [say("audit.copy" if link.copy else "audit.one_part")]
    words += [say("audit.mirrored")] if link.mirrored else []
    words.append(say("audit.log_odds", value=link.evidence))
    if link.copy and not link.mirrored:
        one, other = (audit.looks[i].thumbnail.astype(np.float64) for i in (tie.one, tie.other))
        words.append(say("audit.difference", value=float(np.abs(one - other).mean())))
    return ", ".join(words)


# ---- groups and single photos


def _group(audit: Audit, group: Sequence[int]) -> Exhibit:
    photos = [audit.manifest.photos[i] for i in group]
    labels = Counter(photo.label for photo in photos)
    sides = Counter(say(f"splits.{photo.split}") for photo in photos if photo.split)
    kinds = ["same_part"]
    if len(labels) > 1 and not set(labels) <= set(audit.manifest.good):
        kinds.insert(0, "label_conflict")
    if len(sides) > 1:
        kinds.insert(0, "leak")
    counts = "; ".join(
        ", ".join(f"{n} {word}" for word, n in of.most_common()) for of in (labels, sides) if of
    )
    more = say("audit.group_more", n=_SHOTS) if len(group) > _SHOTS else ""
    part = audit.parts[group[0]]
    text = say("audit.group", part=part, photos=len(group), counts=counts, more=more)
    shown = tuple(_shot(audit, i) for i in _spread(audit, group))
    return Exhibit(tuple(kinds), _severity(audit, kinds), text, shown)


def _spread(audit: Audit, group: Sequence[int]) -> list[int]:
    """At most ``_SHOTS`` of the photos, with those of each label and split in turn."""
    turn: Counter[tuple[str, str | None]] = Counter()
    turns = {}
    for i in group:
        sort = (audit.manifest.photos[i].label, audit.manifest.photos[i].split)
        turns[i] = turn[sort]
        turn[sort] += 1
    return sorted(group, key=lambda i: (turns[i], i))[:_SHOTS]


def _single(audit: Audit, i: int | None, name: str, kinds: Iterable[str]) -> Shot:
    if i is None:
        return Shot(name, (say("audit.unreadable"),))
    notes = [
        note
        for kind in kinds
        if isinstance(picture := CHECKS[kind].picture, Singles)
        for note in single_notes(audit, picture, i)
    ]
    shot = _shot(audit, i)
    return replace(shot, lines=(*notes, *shot.lines))


def _shot(audit: Audit, i: int, *, marked: bool = False) -> Shot:
    photo = audit.manifest.photos[i]
    about = [photo.label, *([say(f"splits.{photo.split}")] if photo.split else [])]
    lines = [", ".join(about), *([say("audit.line_part", part=photo.part)] if photo.part else [])]
    return Shot(photo.name, tuple(lines), marked)


# ---- order


def _severity(audit: Audit, kinds: Sequence[str]) -> Severity:
    """That of the finding of the first kind; a pair without a finding is for information."""
    found = [each.severity for each in audit.findings if each.kind == kinds[0]]
    return min(found, key=SEVERITIES.index, default="info")


def _by_severity(exhibits: Iterable[Exhibit]) -> list[Exhibit]:
    return sorted(
        exhibits,
        key=lambda each: (
            SEVERITIES.index(each.severity),
            CHECKS[each.kinds[0]].rank,
            -(each.alike or 0),
        ),
    )
