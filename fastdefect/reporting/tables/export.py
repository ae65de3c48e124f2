"""The table of a bundle against its run."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastdefect.reporting.tables.table_data import TableData


def check_table(run: Mapping[str, Any], checks: Sequence[Mapping[str, Any]]) -> TableData:
    """Each form of the network against the run, on the validation photos, from their files."""
    photos = checks[0]["photos"] if checks else 0
    return TableData(
        f"The bundle against its run, on {photos} validation photos",
        (
            *("network", "largest difference", "other decisions", "escapes", "overkills"),
            *("photos/s", "against torch", "MB"),
        ),
        (
            _row(run, "", "", "1.00"),
            *(
                _row(
                    each,
                    f"{each['difference']:.1e}",
                    str(each["flips"]),
                    f"{each['ratio']:.2f}",
                )
                for each in checks
            ),
        ),
        caption="Speed is of the network alone, a photo at a time, on this machine.",
        marks={1 + i: "bad" for i, check in enumerate(checks) if check["flips"]},
    )


def _row(form: Mapping[str, Any], difference: str, flips: str, ratio: str) -> tuple[str, ...]:
    wrong = (form["escapes"], form["overkills"])
    return (
        form["name"],
        difference,
        flips,
        *("" if count is None else str(count) for count in wrong),
        f"{form['per_second']:.1f}",
        ratio,
        f"{form['megabytes']:.1f}",
    )
