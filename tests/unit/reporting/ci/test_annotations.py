"""Annotations for GitHub Actions, and the codes of the characters that have a meaning there."""

from helpers.examples import examples
from hypothesis import given
from hypothesis import strategies as st

from fastdefect.reporting.ci.annotations import annotation_lines
from fastdefect.reporting.ci.outcomes import Outcome, Outcomes


def _lines(*checks: Outcome) -> list[str]:
    return annotation_lines(Outcomes("audit", checks, {}))


def test_errors_come_first_and_checks_that_pass_are_not_shown() -> None:
    assert _lines(
        Outcome("animated", "passed", "1 photo."),
        Outcome("blank", "warned", "2 photos."),
        Outcome("leak", "failed", "3 parts."),
    ) == [
        "::error title=fastdefect audit%3A leak::3 parts.",
        "::warning title=fastdefect audit%3A blank::2 photos.",
    ]


def test_special_characters_have_codes() -> None:
    (line,) = _lines(Outcome("a,b:c%", "failed", "50%, at: x\r\ny", {"where": "z"}))
    assert line == (
        "::error title=fastdefect audit%3A a%2Cb%3Ac%25::50%25, at: x%0D%0Ay%0Awhere: z"
    )


@examples(30)
@given(st.text(st.characters()), st.text(st.characters()))
def test_any_text_is_one_line_that_decodes_to_itself(name: str, text: str) -> None:
    (line,) = _lines(Outcome(name, "failed", text))
    assert "\n" not in line
    assert "\r" not in line
    _, command, *rest = line.split("::", 2)
    assert "," not in command
    assert ":" not in command
    decoded = "::".join(rest)
    for code, char in (("%0A", "\n"), ("%0D", "\r"), ("%25", "%")):
        decoded = decoded.replace(code, char)
    assert decoded == text.encode("utf-8", "replace").decode("utf-8")
