"""The registry of checks: each declared once, and found by all that shows or asks for it."""

from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from helpers.manifests import photo
from PIL import Image

import fastdefect
from fastdefect.data.audit.appearance import Appearance, measure_appearance
from fastdefect.data.audit.audit import Audit, audit_photos
from fastdefect.data.audit.registry import CHECKS, collect_checks
from fastdefect.data.findings import SEVERITIES, Check, Singles
from fastdefect.data.photos import Manifest
from fastdefect.errors import UsageError
from fastdefect.jobs.audit import parse_kinds
from fastdefect.reporting.sheets.audit import worst_cases
from fastdefect.reporting.tables.audit import findings_table

PACKAGE = Path(fastdefect.__file__).parent
DOCS = Path(__file__).parents[4] / "docs" / "data.md"
DUMMY = Check(
    "dummy",
    "warning",
    rank=15,
    meaning="a check of this test",
    form="{:.1f} dummies",
    picture=Singles(1, note="named {photo.name}", measure="brightness", form="{:.0f}"),
)


@pytest.fixture
def dummy(monkeypatch: pytest.MonkeyPatch) -> Check:
    monkeypatch.setitem(CHECKS, DUMMY.kind, DUMMY)
    return DUMMY


def test_every_check_of_the_data_package_is_collected() -> None:
    # By their source: to import all of the package takes long, and only these declare a check.
    declaring = [
        ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts)
        for file in sorted((PACKAGE / "data").rglob("*.py"))
        if " = Check(" in file.read_text(encoding="utf-8")
    ]
    assert len(declaring) > 5
    assert collect_checks(map(import_module, declaring)) == CHECKS


def test_no_two_checks_share_a_place() -> None:
    assert [*CHECKS.values()] == sorted(CHECKS.values(), key=lambda check: check.rank)
    assert all(kind == check.kind for kind, check in CHECKS.items())
    ranks = [check.rank for check in CHECKS.values()]
    drawn = [check.picture.rank for check in CHECKS.values() if check.picture]
    assert len(set(ranks)) == len(ranks)
    assert len(set(drawn)) == len(drawn)


def test_a_kind_that_is_declared_twice_is_refused() -> None:
    one, other = ModuleType("one"), ModuleType("other")
    one.FIRST = DUMMY  # type: ignore[attr-defined]
    other.FIRST = DUMMY  # type: ignore[attr-defined]
    assert collect_checks([one, other]) == {"dummy": DUMMY}
    other.SECOND = Check("dummy", "info", rank=1, meaning="")  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="one check of kind 'dummy'"):
        collect_checks([one, other])


def test_measures_are_of_the_appearance() -> None:
    drawn = [check.picture for check in CHECKS.values()]
    measures = {picture.measure for picture in drawn if isinstance(picture, Singles)} - {""}
    assert measures
    assert measures <= set(Appearance.__dataclass_fields__)


def test_the_documentation_lists_the_checks() -> None:
    rows = [f"| `{each.kind}` | {each.severity} | {each.meaning} |" for each in CHECKS.values()]
    text = DOCS.read_text(encoding="utf-8")
    header = "| kind | highest severity | meaning |\n|---|---|---|\n"
    assert header + "\n".join(rows) + "\n\n" in text


@pytest.mark.parametrize("severity", SEVERITIES)
def test_a_finding_is_never_graver_than_its_check(severity: str) -> None:
    check = Check("dummy", "warning", rank=1, meaning="")
    assert check.finding("text").severity == "warning"
    if severity == "error":
        with pytest.raises(ValueError, match="at most 'warning', got 'error'"):
            check.finding("text", severity="error")
    else:
        assert check.finding("text", severity=severity).severity == severity


# ---- a check that is declared in one place


def test_a_new_check_can_be_failed_on(dummy: Check) -> None:
    assert parse_kinds("dummy,leak") == ("dummy", "leak")
    with pytest.raises(UsageError) as caught:
        parse_kinds("sharks")
    assert dummy.kind in caught.value.hint


def test_a_new_check_is_written_in_its_form(dummy: Check) -> None:
    table = findings_table([dummy.finding("About dummies.", 2.0, ("a.png", "b.png"))])
    assert table.rows == (("! warning: dummy\nAbout dummies.", "2", "2.0 dummies"),)


def test_a_new_check_is_sorted_among_the_others(dummy: Check) -> None:
    photos = tuple(photo(name, "good") for name in "ab")
    given = tuple(
        CHECKS[kind].finding("", severity="warning") for kind in ("imbalance", "label_conflict")
    )
    findings = (*given, dummy.finding(""))
    manifest = Manifest(Path(), "classes", photos, ("good",), (), findings)
    looks = [measure_appearance(np.full((40, 60, 3), level, np.uint8)) for level in (100, 101)]
    found = audit_photos(manifest, looks, list("ab"), (), seed=1)
    kinds = [finding.kind for finding in found.findings]
    assert kinds.index("dummy") < kinds.index("label_conflict") < kinds.index("imbalance")


def test_a_new_check_is_drawn(
    dummy: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fastdefect.reporting.sheets import audit as shown

    tiles, draw = [], shown.contact_sheet
    monkeypatch.setattr(
        shown, "contact_sheet", lambda rows, **kw: [tiles.extend(rows), draw(rows, **kw)][1]
    )
    image = np.full((40, 60, 3), 120, np.uint8)
    Image.fromarray(image).save(tmp_path / "a.png")
    photos = (photo("a.png", "good"),)
    manifest = Manifest(tmp_path, "classes", photos, ("good",), (), ())
    findings = (CHECKS["blank"].finding("", 1, ("a.png",)), dummy.finding("", 1, ("a.png",)))
    audit = Audit(manifest, findings, ("a",), (), (), (measure_appearance(image),))
    assert worst_cases(audit, tmp_path / "worst.png")
    ((first,), _) = tiles
    assert first.caption == "a.png\ngood\nnamed a.png\nbrightness 120\nusual 120"
