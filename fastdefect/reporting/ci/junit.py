"""JUnit XML, the format of test results that Jenkins, GitLab and other systems read."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

from fastdefect.files import write_bytes
from fastdefect.reporting.ci.outcomes import Outcome, Outcomes

# XML 1.0 has no other characters, also not as references. Python marks the bytes of a file name
# that are not text with surrogates, which are not characters either.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_junit(path: Path, outcomes: Outcomes) -> None:
    """Write the outcomes atomically, one test case for each check."""
    write_bytes(path, junit_xml(outcomes))


def junit_xml(outcomes: Outcomes) -> bytes:
    """The outcomes as a document. Characters that XML does not have become U+FFFD."""
    failures = sum(check.state == "failed" for check in outcomes.checks)
    counts = {
        **{"tests": str(len(outcomes.checks)), "failures": str(failures)},
        **{"errors": "0", "skipped": "0", "time": "0"},
    }
    name = {"name": _legal(outcomes.suite)}
    root = ET.Element("testsuites", {**name, **counts})
    suite = ET.SubElement(root, "testsuite", {**name, **counts})
    properties = ET.SubElement(suite, "properties")
    for key, value in outcomes.properties.items():
        ET.SubElement(properties, "property", {"name": _legal(key), "value": _legal(value)})
    for check in outcomes.checks:
        _add_case(suite, outcomes.suite, check)
    ET.indent(root)
    return ET.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"


def _add_case(suite: ET.Element, group: str, check: Outcome) -> None:
    # Jenkins takes the part before the last dot of a class name as the package.
    names = {"classname": _legal(group.replace(" ", ".")), "name": _legal(check.name), "time": "0"}
    case = ET.SubElement(suite, "testcase", names)
    if check.state == "failed":
        about = {"message": _legal(check.message), "type": "failed"}
        ET.SubElement(case, "failure", about).text = _legal(check.text)
    elif check.message:
        # The format has no warnings.
        ET.SubElement(case, "system-out").text = _legal(check.text)


def _legal(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
