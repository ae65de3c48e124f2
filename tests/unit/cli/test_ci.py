"""The options of commands in a pipeline: ``--junit`` and ``--annotations``."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from helpers.cli import invoke

from fastdefect.cli.ci import check_junit, publish
from fastdefect.errors import UsageError
from fastdefect.reporting.ci.outcomes import Outcome, Outcomes

OUTCOMES = Outcomes("audit", (Outcome("leak", "failed", "2 parts."),), {})


def test_the_folder_of_the_file_is_created(tmp_path: Path) -> None:
    file = tmp_path / "reports" / "audit.xml"
    check_junit(file)
    assert publish(OUTCOMES, file, None) == (file,)
    assert ET.parse(file).find("*/testcase/failure") is not None


def test_a_file_of_an_earlier_run_is_removed(tmp_path: Path) -> None:
    file = tmp_path / "audit.xml"
    file.write_text("<testsuites/>", encoding="utf-8")
    check_junit(file)
    assert not file.exists()


@pytest.mark.parametrize("command", ["gate", "audit"])
def test_an_error_leaves_no_file_of_an_earlier_run(command: str, tmp_path: Path) -> None:
    file = tmp_path / "old.xml"
    file.write_text("<testsuites/>", encoding="utf-8")
    result = invoke(command, str(tmp_path / "missing"), "--junit", str(file))
    assert result.exit_code == 1, result.output
    assert not file.exists()


def test_nothing_is_written_or_printed_unless_requested(
    capsys: pytest.CaptureFixture[str],
) -> None:
    check_junit(None)
    assert publish(OUTCOMES, None, None) == ()
    assert capsys.readouterr() == ("", "")


def test_annotations_are_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    publish(OUTCOMES, None, "github")
    out, err = capsys.readouterr()
    assert (out, err) == ("", "::error title=fastdefect audit%3A leak::2 parts.\n")


@pytest.mark.parametrize("name", ["", "file/audit.xml"])
def test_a_path_that_cannot_be_written_is_an_error(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(UsageError, match="--junit .*: expected a path that can be written"):
        check_junit(tmp_path / name)
