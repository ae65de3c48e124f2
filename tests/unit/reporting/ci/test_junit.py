"""JUnit files: what Jenkins and GitLab read, and names with any character."""

from pathlib import Path
from xml.etree import ElementTree as ET

from helpers.examples import examples
from hypothesis import given
from hypothesis import strategies as st

from fastdefect import __version__
from fastdefect.reporting.ci.junit import junit_xml, write_junit
from fastdefect.reporting.ci.outcomes import Outcome, Outcomes

FAILED = Outcome("f1 at least 0.9", "failed", "F1 is low.", {"expected": "0.9", "found": "0.5"})
OUTCOMES = Outcomes(
    "gate",
    (Outcome("auc at least 0.5", "passed"), Outcome("blank", "warned", "2 photos."), FAILED),
    {"run": "first", "split": "valid"},
)


def test_one_case_for_each_check_and_the_counts_agree() -> None:
    root = ET.fromstring(junit_xml(OUTCOMES))
    suite = root[0]
    assert (root.tag, suite.tag) == ("testsuites", "testsuite")
    for each in (root, suite):
        counts = {key: each.get(key) for key in ("tests", "failures", "errors", "skipped")}
        assert counts == {"tests": "3", "failures": "1", "errors": "0", "skipped": "0"}
    cases = suite.findall("testcase")
    assert [case.get("name") for case in cases] == [check.name for check in OUTCOMES.checks]
    assert {case.get("classname") for case in cases} == {"fastdefect.gate"}
    assert [[child.tag for child in case] for case in cases] == [[], ["system-out"], ["failure"]]


def test_a_failure_has_the_message_and_the_details() -> None:
    failure = ET.fromstring(junit_xml(OUTCOMES)).find("*/testcase/failure")
    assert failure is not None
    assert failure.get("message") == "F1 is low."
    assert failure.text == "F1 is low.\nexpected: 0.9\nfound: 0.5"


def test_the_properties_have_the_run_and_the_version() -> None:
    found = ET.fromstring(junit_xml(OUTCOMES)).iter("property")
    assert {each.get("name"): each.get("value") for each in found} == {
        **{"version": __version__, "run": "first", "split": "valid"},
    }


@examples(30)
@given(st.text(st.characters()), st.text(st.characters()))
def test_any_characters_give_a_document_that_can_be_read(name: str, text: str) -> None:
    check = Outcome(name, "failed", text, {text: name})
    root = ET.fromstring(junit_xml(Outcomes("audit", (check,), {name: text})))
    case = root.find("*/testcase")
    assert case is not None
    read = case.get("name")
    assert read is not None
    assert len(read) == len(name)
    kept = [(a, b) for a, b in zip(name, read, strict=True) if b != "\ufffd"]
    assert all(a == b for a, b in kept)


def test_what_xml_does_not_have_is_replaced_and_the_rest_is_kept() -> None:
    name = "a\x00b\x1b\udcffc\ufffe<&>\"'\n\té漢😀"
    root = ET.fromstring(junit_xml(Outcomes("audit", (Outcome(name, "passed"),), {})))
    case = root.find("*/testcase")
    assert case is not None
    assert case.get("name") == "a\ufffdb\ufffd\ufffdc\ufffd<&>\"'\n\té漢😀"


def test_the_file_is_utf8_and_replaces_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "gate.xml"
    path.write_text("old", encoding="utf-8")
    write_junit(path, OUTCOMES)
    assert path.read_bytes() == junit_xml(OUTCOMES)
    assert path.read_text(encoding="utf-8").startswith("<?xml version='1.0' encoding='utf-8'?>")
    assert list(tmp_path.iterdir()) == [path]
