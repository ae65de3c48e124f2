"""The worst cases of an audit on one sheet: each photo beside the reason for its finding."""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from fastdefect.data.audit.audit import Audit
from fastdefect.data.audit.registry import CHECKS
from fastdefect.data.findings import Finding, Singles, Together
from fastdefect.data.parts.connected import connected
from fastdefect.data.photos import Photo
from fastdefect.data.reading.images import USUAL, Reading
from fastdefect.files import atomic_path
from fastdefect.reporting.sheets.contact_sheet import (
    Heading,
    Mark,
    Tile,
    clean,
    contact_sheet,
    read_tiles,
)
from fastdefect.text import counted

_COLUMNS = 6
_MOST_ROWS = 40  # per sheet
_MOST_OF_ONE = 6  # rows per finding
_MOST_OF_SINGLES = 2  # rows per finding with unrelated photos
_OFFENDERS = 3  # test photos beside the training photos of the same part


def worst_cases(audit: Audit, path: Path, *, how: Reading = USUAL, tile: int = 160) -> bool:
    """Draw the worst findings of an audit as one PNG; False, and no file, if there are none.

    Each finding with a picture in its check gets a section, in the order of the pictures' ranks:
    labels in conflict, test photos beside training photos of the same part, copies, photos of one
    part, then photos of bad quality, worst first. Photos are read now, in the way ``how`` of the
    audit, and fitted into ``tile`` pixels. A photo that cannot be read is a grey tile with the
    reason.

    Raises OSError if ``path`` cannot be written.
    """
    sections = _sections(audit)
    if not sections:
        return False
    most = _MOST_OF_ONE
    while most > 1 and sum(min(len(s.rows), most) for s in sections) > _MOST_ROWS:
        most -= 1
    shown = [(section, section.rows[:most]) for section in sections]
    headings: dict[int, Heading] = {}
    rows: list[_Row] = []
    for section, of_one in shown:
        for row in of_one:
            if row is of_one[0]:
                text = f"{clean(section.finding.message)}\n{row.text}"
                headings[len(rows)] = Heading(_title(section, len(of_one)), text)
            elif row.text:
                headings[len(rows)] = Heading(text=row.text)
            rows.append(row)
    paths = list({cell.path for row in rows for cell in row.cells})
    photos = dict(zip(paths, read_tiles(paths, tile, how), strict=True))
    sheet = contact_sheet(
        [[Tile(photos[c.path], c.caption, c.mark) for c in row.cells] for row in rows],
        title=f"Worst cases among the photos of {audit.manifest.root.name}",
        tile=tile,
        headings=headings,
    )
    with atomic_path(path) as temporary:
        sheet.save(temporary, format="PNG")
    return True


# ---- contents of the sheet


@dataclass(frozen=True)
class _Cell:
    path: Path
    caption: str
    mark: Mark = "plain"


@dataclass(frozen=True)
class _Row:
    cells: tuple[_Cell, ...]
    text: str = ""  # above the cells


@dataclass(frozen=True)
class _Section:
    """A finding and its rows: one for each ``shot`` or ``part``, or several ``photo``s in each.

    ``total`` is the number of these units, shown or not.
    """

    finding: Finding
    rows: tuple[_Row, ...]
    unit: str
    total: int


def _title(section: _Section, rows: int) -> str:
    kind = section.finding.kind.replace("_", " ").capitalize()
    cells = sum(len(row.cells) for row in section.rows[:rows])
    shown = cells if section.unit == "photo" else rows
    total = counted(section.total, section.unit)
    some = f"{shown} of {total}" if shown < section.total else total
    return f"{kind} ({section.finding.severity}): {some}"


def _sections(audit: Audit) -> list[_Section]:
    repeats = _Repeats(audit)
    pictures = [(CHECKS[finding.kind].picture, finding) for finding in audit.findings]
    drawn = [(picture, finding) for picture, finding in pictures if picture is not None]
    found = [
        _singles(audit, finding, picture)
        if isinstance(picture, Singles)
        else repeats.section(finding, picture)
        for picture, finding in sorted(drawn, key=lambda of: of[0].rank)
    ]
    return [section for section in found if section.rows]


def _singles(audit: Audit, finding: Finding, picture: Singles) -> _Section:
    photos = audit.manifest.photos
    of_name = {photo.name: i for i, photo in enumerate(photos)}
    cells = []
    for name in finding.paths[: _COLUMNS * _MOST_OF_SINGLES]:
        if name not in of_name:  # the photo cannot be read
            pure = PurePosixPath(name)
            caption = f"{clean(pure.name)}\n{clean(str(pure.parent))}"
            cells.append(_Cell(audit.manifest.root / name, caption))
        else:
            i = of_name[name]
            cells.append(
                _Cell(photos[i].path, _caption(photos[i], single_notes(audit, picture, i)))
            )
    rows = (tuple(cells[at : at + _COLUMNS]) for at in range(0, len(cells), _COLUMNS))
    return _Section(finding, tuple(map(_Row, rows)), "photo", len(finding.paths))


def single_notes(audit: Audit, picture: Singles, i: int) -> list[str]:
    """What a photo of a finding is measured by, and the usual value of its class."""
    photos, form = audit.manifest.photos, picture.form
    notes = [picture.note.format(photo=photos[i])] if picture.note else []
    if picture.measure:
        values = np.array([getattr(look, picture.measure) for look in audit.looks])
        usual = np.median(values[[photo.label == photos[i].label for photo in photos]])
        notes += [f"{picture.measure} {form.format(values[i])}", f"usual {form.format(usual)}"]
    return notes


def _caption(photo: Photo, notes: Iterable[str]) -> str:
    label = photo.label if photo.split is None else f"{photo.label}, {photo.split}"
    return "\n".join(clean(line) for line in (PurePosixPath(photo.name).name, label, *notes))


class _Repeats:
    """Rows of photos that belong together: copies of one shot, or shots of one part."""

    def __init__(self, audit: Audit) -> None:
        self.photos, self.parts = audit.manifest.photos, audit.parts
        self.of_name = {photo.name: i for i, photo in enumerate(self.photos)}
        self.files = tuple(photo.sha256 for photo in self.photos)
        first_of: dict[str, int] = {}
        same = [(i, first_of.setdefault(digest, i)) for i, digest in enumerate(self.files)]
        linked = [(link.one, link.other) for link in audit.links]
        copies = [(link.one, link.other) for link in audit.links if link.copy]
        self.shots = connected(len(self.photos), [*same, *copies])
        self.found = connected(len(self.photos), [*same, *linked])
        # Photos that are linked to photos with a different given part.
        given = [photo.part for photo in self.photos]
        self.torn = {
            i for a, b in linked if given[a] and given[b] and given[a] != given[b] for i in (a, b)
        }
        # The links of each photo: negative evidence, the other photo, mirrored or not.
        self.ties: dict[int, list[tuple[float, int, bool]]] = defaultdict(list)
        ties = [(-link.evidence, link.one, link.other, link.mirrored) for link in audit.links]
        ties += [(-np.inf, i, j, False) for i, j in same if i != j]
        for cost, one, other, mirrored in ties:
            self.ties[one].append((cost, other, mirrored))
            self.ties[other].append((cost, one, mirrored))

    def section(self, finding: Finding, picture: Together) -> _Section:
        """A row for each shot or part, those with the most photos first."""
        named = sorted({self.of_name[name] for name in finding.paths if name in self.of_name})
        keys = self._keys(picture, named)
        groups: dict[object, list[int]] = defaultdict(list)
        for i in named:
            groups[keys[i]].append(i)
        beside = picture.beside_training
        kept = [group for group in groups.values() if beside or len(group) > 1]
        worst = sorted(kept, key=lambda group: -len(group))[:_MOST_OF_ONE]
        rows = [self._beside(of) if beside else self._row(picture, of, keys) for of in worst]
        unit = "shot" if keys is self.files or keys is self.shots else "part"
        return _Section(finding, tuple(rows), unit, len(kept))

    def _keys(self, picture: Together, named: Sequence[int]) -> Sequence[object]:
        """The key that the photos of one row share."""
        if picture.by == "found part" and self.torn.issuperset(named):
            return self.found
        if picture.by == "closest":
            for keys in (self.files, self.shots):
                if min(Counter(keys[i] for i in named).values(), default=0) > 1:
                    return keys
        known: dict[str, Sequence[object]] = {"file": self.files, "shot": self.shots}
        return known.get(picture.by, self.parts)

    def _row(self, picture: Together, group: Sequence[int], keys: Sequence[object]) -> _Row:
        """Photos of each label and split in turn, so that each combination is shown."""
        turn: Counter[tuple[str, str | None]] = Counter()
        turns = {}
        for i in group:
            sort = (self.photos[i].label, self.photos[i].split)
            turns[i] = turn[sort]
            turn[sort] += 1
        shown = sorted(group, key=lambda i: (turns[i], i))[:_COLUMNS]
        labels = Counter(self.photos[i].label for i in group).most_common()
        usual = labels[0][0] if len(labels) == 1 or labels[0][1] > labels[1][1] else None
        wrong = {i for i in shown if self.photos[i].label != usual}
        bad = wrong if picture.mark_labels else set()
        of = "one shot" if keys is self.files or keys is self.shots else "one part"
        of = f"part {self.parts[group[0]]}" if keys is self.parts else of
        return _Row(self._cells(shown, bad, sizes=picture.sizes), self._text(group, of))

    def _beside(self, offenders: Sequence[int]) -> _Row:
        """Test and validation photos of one part, then its training photos, nearest first."""
        part = self.parts[offenders[0]]
        offenders = sorted(offenders, key=lambda i: self.photos[i].split != "test")
        group = [i for i, other in enumerate(self.parts) if other == part]
        mates = [i for i in group if i not in offenders and self.photos[i].split is not None]
        near: dict[int, float] = defaultdict(float)
        for cost, other, _ in (tie for i in offenders for tie in self.ties[i]):
            near[other] = min(near[other], cost)
        mates.sort(key=lambda i: near[i])
        judged = offenders[: max(_OFFENDERS, _COLUMNS - len(mates))]
        shown = [*judged, *mates][:_COLUMNS]
        return _Row(self._cells(shown, set(judged)), self._text(group, f"part {part}"))

    def _text(self, group: Sequence[int], of: str) -> str:
        """``7 photos of part 12 (4 crack, 3 good; 5 train, 2 test); 6 are shown``."""
        photos = [self.photos[i] for i in group]
        counts = [Counter(photo.label for photo in photos)]
        if any(photo.split is not None for photo in photos):
            counts.append(Counter(photo.split or "no split" for photo in photos))
        texts = (", ".join(f"{n} {word}" for word, n in of.most_common()) for of in counts)
        some = f"; {_COLUMNS} are shown" if len(group) > _COLUMNS else ""
        return clean(f"{len(group)} photos of {of} ({'; '.join(texts)}){some}")

    def _cells(
        self, shown: Sequence[int], bad: set[int], *, sizes: bool = False
    ) -> tuple[_Cell, ...]:
        """The photos, each with its relation to the first one, or whether it is mirrored."""
        first, mirrored = shown[0], self._mirrored(shown[0])
        most = sum(mirrored.get(i, False) for i in shown) > len(shown) / 2
        given = len({self.photos[i].part for i in shown}) > 1
        cells = []
        for i in shown:
            photo, notes = self.photos[i], []
            if sizes:
                kilobytes = max(1, round(photo.facts.size / 1024))
                notes.append(f"{photo.width} x {photo.height}, {kilobytes:,} KB")
            if given:
                notes.append(f"part {photo.part or 'not given'}")
            if i != first and self.shots[i] == self.shots[first]:
                notes.append("same file" if self.files[i] == self.files[first] else "same shot")
            if mirrored.get(i, most) != most:
                notes.append("mirrored")
            mark: Mark = "bad" if i in bad else "plain"
            cells.append(_Cell(photo.path, _caption(photo, notes), mark))
        return tuple(cells)

    def _mirrored(self, start: int) -> dict[int, bool]:
        """Whether each linked photo is mirrored relative to ``start``, strongest links first."""
        found: dict[int, bool] = {}
        queue = [(-np.inf, start, False)]
        while queue:
            _, i, mirrored = heapq.heappop(queue)
            if i not in found:
                found[i] = mirrored
                for cost, other, flipped in self.ties[i]:
                    heapq.heappush(queue, (cost, other, mirrored != flipped))
        return found
