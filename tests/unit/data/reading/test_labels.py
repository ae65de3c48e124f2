"""Labels become classes: renamed, found alike, listing several defects, joined."""

from dataclasses import replace
from pathlib import Path

import pytest

from fastdefect.data.reading.labels import (
    LabelRules,
    good_classes,
    parse_renames,
    refuse_several_defects,
    to_classes,
)
from fastdefect.data.reading.manifest import Entry, list_photos
from fastdefect.errors import DataError, UsageError

NEW = LabelRules(new=True)


def _entries(*labels: str) -> list[Entry]:
    return [
        Entry(f"{i}.png", Path(f"{i}.png"), label, None, None) for i, label in enumerate(labels)
    ]


def _classes(rules: LabelRules, *labels: str) -> list[str]:
    return [entry.label for entry in to_classes(_entries(*labels), rules)[0]]


def _csv(folder: Path, *rows: str, header: str = "path,label") -> Path:
    table = folder / "photos.csv"
    table.write_text("\n".join([header, *rows]), encoding="utf-8")
    for row in rows:
        photo = folder / row.partition(",")[0]
        photo.parent.mkdir(parents=True, exist_ok=True)
        photo.touch()  # never opened here
    return table


# ---- spelling and --rename


def test_classes_that_differ_in_spelling_are_named_with_the_flag_and_not_joined() -> None:
    entries, (finding,) = to_classes(_entries("ok", "crack", "crack", "Crack"), NEW)
    assert [entry.label for entry in entries] == ["ok", "crack", "crack", "Crack"]
    assert (finding.kind, finding.severity, finding.value) == ("similar_classes", "warning", 2)
    assert "'crack' (2 photos) and 'Crack' (1 photo)" in finding.message
    assert finding.message.endswith("--rename Crack=crack")
    assert finding.paths == ("3.png",)


def test_rename_joins_them_and_the_finding_is_gone() -> None:
    rules = LabelRules(rename=("Crack=crack", "OK=good,n.i.O.=bad"), new=True)
    entries, findings = to_classes(_entries("crack", "Crack", "OK", "n.i.O."), rules)
    assert [entry.label for entry in entries] == ["crack", "crack", "good", "bad"]
    assert findings == []


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("NG=ng", {"NG": "ng"}),
        ("a=b, c=d", {"a": "b", " c": "d"}),
        ("scratch, small=scratch", {"scratch, small": "scratch"}),
        ("x=y,scratch, small=scratch", {"x": "y", "scratch, small": "scratch"}),
        ("a=1=one", {"a=1": "one"}),
        ("crack =crack", {"crack ": "crack"}),
    ],
)
def test_names_with_a_comma_or_an_equals_sign(text: str, pairs: dict[str, str]) -> None:
    assert parse_renames([text]) == pairs


@pytest.mark.parametrize("text", ["", "crack", "=crack", "crack=", "a=b,c", "a=b,", " = "])
def test_what_is_no_rename_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="OLD=NEW"):
        parse_renames([text])


@pytest.mark.parametrize(
    ("renames", "message"),
    [
        (("crak=crack",), "found crak. The classes are burr, crack, ok"),
        (("crack=burr,burr=ok",), "burr is both an old and a new name"),
        (("crack=burr", "burr=crack"), "burr is both"),
        (("crack=crack",), "crack is both"),
        (("crack=burr", "crack=ok"), "two new names"),
    ],
)
def test_renames_that_make_no_sense_are_refused(renames: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        _classes(LabelRules(rename=renames, new=True), "crack", "burr", "ok")


def test_later_photos_need_not_have_the_old_name() -> None:
    rules = LabelRules(rename=("Crack=crack",))
    assert _classes(rules, "crack", "ok") == ["crack", "ok"]


def test_an_outer_blank_of_a_folder_name_can_be_renamed(tmp_path: Path) -> None:
    for name in ("crack ", "crack", "Crack", "ok"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").touch()
    (finding,) = list_photos(tmp_path).findings
    flag = finding.message.partition("--rename ")[2].strip('"')
    found = list_photos(tmp_path, label_rules=LabelRules(rename=(flag,), new=True))
    assert len(found.classes) == 2
    assert found.findings == ()


# ---- several defects


def test_labels_that_list_several_defects_are_refused_before_a_training() -> None:
    entries, findings = to_classes(_entries("ok", "crack", "burr", "crack|burr"), NEW)
    assert entries[3].label == "crack|burr"  # an older run has it as a class
    with pytest.raises(DataError) as caught:
        refuse_several_defects(findings)
    assert "1 photo with labels that list several defects: crack|burr" in caught.value.message
    assert "One photo holds one class" in caught.value.message
    assert "--join-defects" in caught.value.hint
    refuse_several_defects([])


def test_a_list_with_a_name_of_its_own_is_one_class() -> None:
    rules = LabelRules(rename=("crack|burr=both",), new=True)
    entries, findings = to_classes(_entries("ok", "crack", "burr", "crack|burr"), rules)
    assert (entries[3].label, findings) == ("both", [])


def test_join_defects_keeps_the_kinds() -> None:
    rules = LabelRules(join_defects=True, new=True)
    entries, findings = to_classes(_entries("ok", "crack", "burr|crack", "burr"), rules)
    assert [entry.label for entry in entries] == ["ok", "defect", "defect", "defect"]
    assert [dict(entry.columns).get("defect") for entry in entries] == [
        *(None, "crack", "burr|crack", "burr")
    ]
    assert findings == []


def test_renames_apply_within_lists_and_their_spelling_is_checked() -> None:
    labels = ("ok", "crack", "crack", "Crack;burr", "burr")
    _, (finding,) = to_classes(_entries(*labels), LabelRules(join_defects=True, new=True))
    assert finding.message.endswith("--rename Crack=crack")
    rules = LabelRules(rename=("Crack=crack",), join_defects=True, new=True)
    entries, findings = to_classes(_entries(*labels), rules)
    assert dict(entries[3].columns) == {"defect": "burr|crack"}
    assert findings == []


def test_a_column_of_the_csv_that_names_the_defect_is_kept() -> None:
    entries = _entries("ok", "ng", "ng2")
    entries[1] = replace(entries[1], columns=(("defect", "pore"),))
    joined, _ = to_classes(entries, LabelRules(join_defects=True))
    assert [entry.columns for entry in joined] == [(), (("defect", "pore"),), ()]


def test_several_good_classes_stay_apart() -> None:
    rules = LabelRules(join_defects=True, good="ok_front,ok_back")
    assert _classes(rules, "ok_front", "crack", "ok_back", "x") == [
        *("ok_front", "defect", "ok_back", "defect")
    ]


def test_good_and_defective_at_once_is_refused() -> None:
    with pytest.raises(DataError, match=r"2\.png \(ok\|crack\)"):
        _classes(LabelRules(join_defects=True), "ok", "crack", "ok|crack")


def test_without_a_good_class_there_is_nothing_to_join_against() -> None:
    with pytest.raises(UsageError, match="no class is good"):
        _classes(LabelRules(join_defects=True, good="none"), "crack", "burr")


def test_later_photos_may_show_kinds_that_no_photo_had() -> None:
    rules = LabelRules(join_defects=True, known_good=("ok",))
    assert _classes(rules, "rust", "rust;hole") == ["defect", "defect"]


def test_a_photo_in_several_rows_has_several_defects(tmp_path: Path) -> None:
    table = _csv(tmp_path, "a.png,crack", "b.png,ok", "a.png,burr", "c.png,burr")
    with pytest.raises(DataError) as caught:
        list_photos(table)
    assert "--join-defects" in caught.value.hint
    found = list_photos(table, label_rules=LabelRules(join_defects=True, new=True))
    assert [(e.name, e.label, dict(e.columns)) for e in found.entries] == [
        ("a.png", "defect", {"defect": "burr|crack"}),
        ("b.png", "ok", {}),
        ("c.png", "defect", {"defect": "burr"}),
    ]


def test_a_row_that_is_listed_twice_is_still_refused(tmp_path: Path) -> None:
    table = _csv(tmp_path, "a.png,crack", "b.png,ok", "a.png,crack")
    with pytest.raises(DataError, match="lists a.png twice"):
        list_photos(table, label_rules=LabelRules(join_defects=True))


# ---- good parts only


@pytest.mark.parametrize("layout", ["folders", "sides", "csv"])
def test_good_parts_only(layout: str, tmp_path: Path) -> None:
    names = {
        "folders": ["OK/1.png", "OK/2.png"],
        "sides": ["train/OK/1.png", "test/OK/2.png"],
        "csv": ["1.png", "2.png"],
    }[layout]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    if layout == "csv":
        _csv(tmp_path, *(f"{name},OK" for name in names))
    with pytest.raises(DataError) as caught:
        list_photos(tmp_path)
    assert "2 photos" in caught.value.message
    assert caught.value.hint.startswith("To learn from good parts only, add `--learn good`")
    assert "add photos of defects" in caught.value.hint
    alone = list_photos(tmp_path, label_rules=LabelRules(join_defects=True, only_good=True))
    assert alone.classes == ("OK", "defect")
    assert {entry.label for entry in alone.entries} == {"OK"}


@pytest.mark.parametrize(
    ("classes", "good", "expected"),
    [
        ({"parts"}, None, ("parts",)),  # a single class needs no name that means good
        ({"parts", "defect"}, None, ("parts",)),
        ({"ok", "scratch"}, None, ("ok",)),
        ({"front", "back"}, "front,back", ("back", "front")),
    ],
)
def test_the_good_classes_where_there_may_be_no_other(
    classes: set[str], good: str | None, expected: tuple[str, ...]
) -> None:
    assert good_classes(classes, good, only_good=True) == expected


def test_several_classes_without_a_good_name_need_the_flag() -> None:
    with pytest.raises(DataError, match="cannot identify it"):
        good_classes({"front", "back"}, None, only_good=True)
