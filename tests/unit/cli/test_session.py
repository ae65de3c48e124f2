"""Shared parts of the commands: settings that --resume refuses, and budgets."""

from pathlib import Path

import pytest

from fastdefect.cli.session import budget_minutes, check_page, refuse_with_resume
from fastdefect.errors import UsageError


def test_resume_refuses_other_settings_by_their_flags() -> None:
    given = {"epochs": 3, "image_size": None, "label_smoothing": 0.0, "light": False, "name": "x"}
    with pytest.raises(UsageError) as caught:
        refuse_with_resume("run", given, "Only --budget.")
    assert "also got --epochs, --label-smoothing, --light, --name." in caught.value.message
    assert caught.value.hint == "Only --budget."


def test_nothing_is_refused_without_resume_or_without_settings() -> None:
    refuse_with_resume(None, {"epochs": 3})
    refuse_with_resume("run", {"epochs": None})
    refuse_with_resume("run", {})


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        *((None, None), ("30", 30), ("30m", 30), ("2h", 120), ("1.5h", 90), ("0.5", 0.5)),
        *((" 30 m ", 30), ("2H", 120), ("0", 0), ("1e2", 100)),
    ],
)
def test_budgets(text: str | None, minutes: float | None) -> None:
    assert budget_minutes(text) == minutes


@pytest.mark.parametrize(
    "text", ["", "m", "h", "-5", "-5m", "nan", "nanm", "inf", "infh", "2d", "30s", "1h30m", "soon"]
)
def test_invalid_budgets(text: str) -> None:
    with pytest.raises(
        UsageError, match="expected minutes or hours, such as 30, 30m or 2h"
    ) as caught:
        budget_minutes(text)
    assert caught.value.message.startswith(f"--budget {text}:")


def test_a_page_is_an_html_file_in_a_folder(tmp_path: Path) -> None:
    check_page(None)
    check_page(tmp_path / "page.htm")
    for wrong in ("page.pdf", "gone/page.html"):
        with pytest.raises(UsageError, match=f"--report .*{wrong}"):
            check_page(tmp_path / wrong)
    check_page(tmp_path / "page.html", "none")
    with pytest.raises(UsageError, match="--photos none selects the photos of --report"):
        check_page(None, "none")
