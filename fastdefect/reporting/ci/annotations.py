"""Annotations: lines in the output that GitHub Actions shows as errors and warnings of a run."""

from fastdefect.reporting.ci.outcomes import Outcomes

_LEVELS = {"failed": "error", "warned": "warning"}


def annotation_lines(outcomes: Outcomes) -> list[str]:
    """A line for each check that failed or warned, errors first: GitHub limits their number."""
    return [
        f"::{level} title={_property(f'{outcomes.suite}: {check.name}')}::{_data(check.text)}"
        for state, level in _LEVELS.items()
        for check in outcomes.checks
        if check.state == state
    ]


def _data(text: str) -> str:
    # The percent sign first: it starts the other codes. A surrogate can't be printed.
    text = text.encode("utf-8", "replace").decode("utf-8")
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
