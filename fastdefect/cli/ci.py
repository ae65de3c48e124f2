"""Options and output of the commands that check something in a pipeline: ``gate`` and ``audit``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fastdefect.files import written_to

if TYPE_CHECKING:
    from fastdefect.reporting.ci.outcomes import Outcomes

Junit = Annotated[
    Path | None,
    typer.Option(
        "--junit", metavar="FILE", help="Also write the checks as JUnit XML, for Jenkins or GitLab."
    ),
]
Annotations = Annotated[
    Literal["github"] | None,
    typer.Option(
        "--annotations", help="Also print annotations for GitHub Actions on standard error."
    ),
]


def check_junit(file: Path | None) -> None:
    """Create the folder of ``file``. Raises ``UsageError`` if the file can't be written there.

    Call this before the work, which can take minutes. A file of an earlier run is removed, so that
    a pipeline does not show its results if this run ends with an error.
    """
    if file is not None:
        with written_to(file, option="--junit"):
            file.parent.mkdir(parents=True, exist_ok=True)
            if file.is_dir():
                raise IsADirectoryError(None, "it is a folder")
            file.unlink(missing_ok=True)


def publish(outcomes: "Outcomes", junit: Path | None, annotations: str | None) -> tuple[Path, ...]:
    """Write and print the outcomes as requested; return the files written."""
    from fastdefect.console import show_annotations
    from fastdefect.reporting.ci.annotations import annotation_lines
    from fastdefect.reporting.ci.junit import write_junit

    if annotations is not None:
        show_annotations(annotation_lines(outcomes))
    if junit is None:
        return ()
    with written_to(junit, option="--junit"):
        write_junit(junit, outcomes)
    return (junit,)
