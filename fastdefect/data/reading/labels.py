"""From labels as written to classes: renamed, recognised as several defects, joined."""

import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from fastdefect.data.findings import Check, Finding
from fastdefect.data.photos import DEFECT_COLUMN, KINDS_BETWEEN, Entry
from fastdefect.data.reading.good_class import choose_good
from fastdefect.data.reading.several_defects import known_kinds, split_label
from fastdefect.data.reading.spelling import alike, rename_flag
from fastdefect.errors import DataError, UsageError
from fastdefect.text import counted, first

Lists = Mapping[str, tuple[str, ...]]  # the defects that a label lists; no other labels
JOINED = "defect"  # the class of all defects under --join-defects

SIMILAR_CLASSES = Check(
    "similar_classes",
    "warning",
    rank=85,
    meaning="classes whose names differ only in case, blanks or accents",
)
SEVERAL_DEFECTS = Check(
    "several_defects",
    "error",
    rank=25,
    meaning="photos whose label lists several defects, which a training refuses",
)


@dataclass(frozen=True)
class LabelRules:
    """How labels become classes.

    ``rename`` holds the values of ``--rename``. With ``join_defects`` all classes but the good ones
    become one; the good ones are those of ``good``, the value of ``--good``, or ``known_good``, the
    names that a trained model has. For photos that are ``new``, as those of a first training, a
    class to rename must exist; later the photos may have been corrected. With ``only_good`` there
    may be no defect.
    """

    rename: tuple[str, ...] = ()
    join_defects: bool = False
    good: str | None = None
    known_good: tuple[str, ...] | None = None
    new: bool = False
    only_good: bool = False


AS_WRITTEN = LabelRules()


def to_classes(entries: Sequence[Entry], rules: LabelRules) -> tuple[list[Entry], list[Finding]]:
    """The entries with the labels that are their classes, and findings on the labels.

    Raises ``UsageError`` for renames that contradict each other or name no class, and
    ``DataError`` if defects are to be joined but a label is both good and defective.
    """
    labels = {entry.label for entry in entries}
    known = known_kinds(labels)
    lists = {label: kinds for label in labels if (kinds := split_label(label, known))}
    new = _new_names(rules, {*labels, *chain.from_iterable(lists.values())})
    # A list that has a new name itself is one class.
    lists = {
        label: tuple(sorted({new.get(kind, kind) for kind in kinds}))
        for label, kinds in lists.items()
        if label not in new
    }
    named = [replace(e, label=new[e.label]) if e.label in new else e for e in entries]
    similar = _similar(named, lists)
    if rules.join_defects:
        return _joined(named, lists, rules), similar
    return named, [*similar, *_several(named, lists)]


def refuse_several_defects(findings: Sequence[Finding]) -> None:
    """Raise ``DataError`` if labels name several defects: a training takes one class a photo."""
    for finding in findings:
        if finding.kind == SEVERAL_DEFECTS.kind:
            raise DataError(
                finding.message,
                "Add --join-defects. If such a label is the name of one kind of defect, rename it "
                "instead: --rename OLD=NEW.",
            )


# ---- renaming


def parse_renames(texts: Sequence[str]) -> dict[str, str]:
    """The new name of each label in lists such as ``NG=ng,Crack=crack``.

    A comma or an equals sign in an old name is accepted, in a new name it is not. Raises
    ``UsageError`` for other text and for two new names of one label.
    """
    renames: dict[str, str] = {}
    for text in texts:
        waiting = ""
        for piece in unicodedata.normalize("NFC", text).split(","):
            waiting += piece
            if "=" not in waiting:
                waiting += ","  # a comma within an old name
                continue
            old, _, new = waiting.rpartition("=")
            waiting = ""
            _add(renames, old, new.strip(), text)
        if waiting:
            raise _not_a_rename(text, waiting.removesuffix(","))
    return renames


def _add(renames: dict[str, str], old: str, new: str, text: str) -> None:
    if not old.strip() or not new:
        raise _not_a_rename(text, f"{old}={new}")
    if renames.setdefault(old, new) != new:
        raise UsageError(
            f"--rename gives {old!r} two new names, {renames[old]!r} and {new!r}.",
            "Keep one of them.",
        )


def _not_a_rename(text: str, found: str) -> UsageError:
    return UsageError(
        f"--rename {text!r}: expected OLD=NEW, or several separated by commas, but found "
        f"{found!r}.",
        "A new name contains neither = nor a comma. Example: --rename NG=ng,Crack=crack",
    )


def _new_names(rules: LabelRules, names: set[str]) -> dict[str, str]:
    """The new name by old one; ``names`` are the labels and the defects that they list."""
    # An old name may have outer blanks, if the label has them.
    new = {
        old if old in names else old.strip(): name
        for old, name in parse_renames(rules.rename).items()
    }
    if not rules.new:
        return new
    if unknown := sorted(set(new) - names):
        raise UsageError(
            f"--rename: expected a class before =, but found {first(unknown)}. The classes are "
            f"{', '.join(sorted(names))}.",
            "Correct the name.",
        )
    if chained := sorted(set(new) & set(new.values())):
        raise UsageError(
            f"--rename: {chained[0]} is both an old and a new name. Renames are not applied "
            "one after another.",
            "Give each old name its final name.",
        )
    return new


def good_classes(classes: Collection[str], good: str | None, only_good: bool) -> tuple[str, ...]:
    """The good ones of ``classes``; ``good`` is the value of ``--good``.

    With ``only_good`` there may be no other class, and a single class needs no name that means
    good. Raises the errors of ``choose_good``.
    """
    if not only_good:
        return choose_good(sorted(classes), good)
    named = set(classes) - {JOINED}
    if good is None and len(named) == 1:
        return tuple(named)
    return choose_good(sorted({*classes, JOINED}), good)


# ---- findings


def _similar(entries: Sequence[Entry], lists: Lists) -> list[Finding]:
    kinds = [lists.get(entry.label, (entry.label,)) for entry in entries]
    counts = Counter(chain.from_iterable(kinds))
    groups = alike(counts)
    if not groups:
        return []
    named = "; ".join(
        " and ".join(f"{name!r} ({counted(counts[name], 'photo')})" for name in group)
        for group in groups
    )
    message = (
        f"Classes that differ only in case, blanks or accents: {named}. They are different classes "
        f"here. To join them: {rename_flag(groups)}"
    )
    fewer = {name for group in groups for name in group[1:]}
    paths = [e.name for e, of in zip(entries, kinds, strict=True) if not fewer.isdisjoint(of)]
    return [SIMILAR_CLASSES.finding(message, sum(map(len, groups)), paths)]


def _several(entries: Sequence[Entry], lists: Lists) -> list[Finding]:
    found = [entry for entry in entries if entry.label in lists]
    if not found:
        return []
    labels = sorted({entry.label for entry in found})
    message = (
        f"{counted(len(found), 'photo')} with labels that list several defects: {first(labels)}. "
        "One photo holds one class here, so each combination would be a class. --join-defects "
        "makes all defects one class and keeps their kinds for the tables by type."
    )
    return [SEVERAL_DEFECTS.finding(message, len(found), [entry.name for entry in found])]


# ---- joining


def _joined(entries: Sequence[Entry], lists: Lists, rules: LabelRules) -> list[Entry]:
    good = rules.known_good
    if good is None:
        good = good_classes({e.label for e in entries} - set(lists), rules.good, rules.only_good)
    if not good:
        raise UsageError(
            "--join-defects joins all classes but the good ones, but no class is good.",
            "Name the good classes with --good, or remove --join-defects.",
        )
    mixed = [entry for entry in entries if set(good) & set(lists.get(entry.label, ()))]
    if mixed:
        listed = first([f"{entry.name} ({entry.label})" for entry in mixed])
        raise DataError(
            f"{counted(len(mixed), 'photo')} with a good class among several labels: {listed}. A "
            "photo is good or defective.",
            "Correct these labels, or remove the photos.",
        )
    # A column of the CSV describes the defects better than the labels.
    given = any(DEFECT_COLUMN in dict(entry.columns) for entry in entries)

    def join(entry: Entry) -> Entry:
        kinds = KINDS_BETWEEN.join(lists.get(entry.label, (entry.label,)))
        added = () if given else ((DEFECT_COLUMN, kinds),)
        return replace(entry, label=JOINED, columns=(*entry.columns, *added))

    return [entry if entry.label in good else join(entry) for entry in entries]
