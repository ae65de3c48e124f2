"""The collection of all checks. Each check is declared beside its code."""

from collections.abc import Iterable
from types import ModuleType

from fastdefect.data.audit import part_checks, quality_checks, shortcuts, size_checks
from fastdefect.data.findings import Check
from fastdefect.data.reading import checks as reading_checks
from fastdefect.data.reading import csv_table, depth, formats, labels, manifest
from fastdefect.data.reading.layouts import gathered

_MODULES = (
    *(reading_checks, gathered, formats, csv_table, labels, manifest, depth),
    *(part_checks, quality_checks, size_checks, shortcuts),
)


def collect_checks(modules: Iterable[ModuleType]) -> dict[str, Check]:
    """The checks in the namespaces of ``modules``, by kind, in the order of their ranks.

    Raises ``ValueError`` if two checks share a kind.
    """
    found: dict[str, Check] = {}
    for module in modules:
        for value in vars(module).values():
            if isinstance(value, Check) and found.setdefault(value.kind, value) != value:
                raise ValueError(f"Expected one check of kind {value.kind!r}, found two")
    return dict(sorted(found.items(), key=lambda item: item[1].rank))


CHECKS: dict[str, Check] = collect_checks(_MODULES)
