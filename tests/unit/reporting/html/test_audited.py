"""The page of an audit, from plain values."""

import re

import pytest
from helpers.audits import made_audit, made_facts, made_photo

from fastdefect.data.audit.audit import Audit
from fastdefect.data.audit.quality_checks import BLANK
from fastdefect.data.audit.shortcuts import Probe, shortcut_findings
from fastdefect.data.findings import Finding
from fastdefect.data.parts.search import Link
from fastdefect.reporting.html.audit import render_audit
from fastdefect.reporting.html.audit_facts import Shown
from fastdefect.reporting.html.exhibits import Exhibit, Exhibits, Notices, Shot
from fastdefect.reporting.html.page import Grid, Words
from fastdefect.reporting.html.sections import audited

PROBE = Probe(
    "border", "the outer pixels", 0.93, (0.9, 0.96), 0.5, (0.4, 0.6), 9, 0.0, False, 40, 40
)


def _clean(n: int = 40) -> Audit:
    photos = [
        (made_photo(f"{label}{i}", label), f"{label}{i}")
        for label in ("crack", "good")
        for i in range(n)
    ]
    return made_audit(photos)


def _leads(audit: Audit) -> list[str]:
    blocks = audited.verdict(made_facts(audit))
    return [each.text for each in blocks if isinstance(each, Words) and each.tone == "lead"]


def test_clean_photos_may_be_used_and_say_what_they_can_prove() -> None:
    use, first, limit = _leads(_clean())
    assert use.startswith("80 photos of 80 parts may be used to train and to judge a model")
    assert use.endswith("no error and 0 warnings.")
    assert first == "Nothing has to be looked at before a training."
    assert limit.startswith("40 defective parts in all")
    assert "below 7.22%" in limit  # 1 - 0.05 ** (1 / 40)


def test_leaks_alone_speak_only_against_judging() -> None:
    photos = [
        (made_photo(f"{s}{i}", "good", s), f"p{i}") for s in ("train", "test") for i in range(9)
    ]
    use, first, _ = _leads(made_audit(photos))
    assert "may be used to train a model, but in the given splits they can't judge one" in use
    assert "(100.0% of test)" in use
    assert first.startswith("Look first at the finding leak (100.0% of test)")


def test_other_errors_speak_against_both() -> None:
    photos = [(made_photo("a", "good"), "p"), (made_photo("b", "crack"), "p")]
    use, first, _ = _leads(made_audit(photos, [Link(0, 1, 8.0, False, True)]))
    assert "should not be used to train or to judge a model as they are: 1 error has" in use
    assert "(label conflict)" in use
    assert first.startswith("Look first at the finding label conflict (2 photos): ")


def test_every_finding_is_a_notice_with_its_figures() -> None:
    found = [*shortcut_findings([PROBE], []), BLANK.finding("2 of 9 photos", 2, ["a", "b"])]
    blocks = audited.findings(made_facts(made_audit([(made_photo("a", "good"), "a")], found=found)))
    notices = [one for each in blocks if isinstance(each, Notices) for one in each.notices]
    by_name = {one.name: one for one in notices}
    assert by_name["shortcut"].figures == ("AUC 0.93 [0.90, 0.96]",)
    assert by_name["blank"].figures == ("2 photos",)
    assert by_name["blank"].text == "2 of 9 photos"
    assert [one.severity for one in notices] == ["error", "warning", "warning"]


def test_shortcuts_have_their_auc_with_its_interval() -> None:
    audit = made_audit([(made_photo("a", "good"), "a")], probes=[PROBE])
    blocks = audited.shortcuts(made_facts(audit))
    (table,) = (each.table for each in blocks if isinstance(each, Grid))
    assert table.rows == (
        ("border", "yes", "0.93", "0.90 to 0.96", "0.50 [0.40 to 0.60]", "the outer pixels"),
    )
    assert table.marks == {0: "bad"}
    (warning,) = (each for each in blocks if isinstance(each, Words) and each.tone == "warning")
    assert warning.text.startswith("1 property predicts the class without the part: border.")


def test_a_short_list_names_the_command_for_all() -> None:
    shown = Shown((Exhibit(("leak",), "error", "one part", (Shot("a", ()),)),), 7)
    _, _, missing, _, exhibits = audited.pairs(made_facts(_clean(1), pairs=shown))
    assert missing.text.startswith("Only the 1 most important of 7 are shown.")
    assert missing.command == "fastdefect audit data --report audit.html --photos all"
    assert isinstance(exhibits, Exhibits)
    assert exhibits.counted == "{shown} of 1 pair"


def test_the_page_has_every_section_and_escapes_names() -> None:
    name = '"><img src=x onerror=alert(1)>\u202e'
    pair = Exhibit(("leak", "duplicate"), "error", name, (Shot(name, (name,), marked=True),), 3.0)
    page = render_audit(made_facts(_clean(2), pairs=Shown((pair,), 1), command=name))
    assert re.findall(r'<section id="audit-(\w+)"', page) == [
        *("verdict", "findings", "pairs", "groups", "shortcuts", "photos", "files", "record")
    ]
    assert "<img" not in page
    assert "\u202e" not in page
    assert 'data-kinds="leak duplicate"' in page
    assert 'data-alike="3.0"' in page


@pytest.mark.parametrize("found", [(), (Finding("leak", "error", "x"),)])
def test_nothing_is_empty_without_a_word(found: tuple[Finding, ...]) -> None:
    audit = made_audit([(made_photo(f"{i}", "good"), f"{i}") for i in range(20)], found=found)
    for build in (audited.findings, audited.pairs, audited.groups, audited.photos):
        assert build(made_facts(audit))
