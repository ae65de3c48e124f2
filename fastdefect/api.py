"""The Python API: train, check, measure, compare and predict as the commands do.

``fastdefect`` exports these names. Nothing is printed: ``on_event`` receives the events of a long
call (``fastdefect.events``). Notebooks show a result as the tables of the command, and ``print``
shows them as Markdown. Errors that the user can fix are ``FastdefectError``. Each call imports the
packages that it needs: ``predict`` with a bundle needs no torch.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from fastdefect import run as folders
from fastdefect.config import RunConfig, config_fields
from fastdefect.config_resolve import resolve
from fastdefect.data.reading.unlabelled import Candidate, Sources
from fastdefect.errors import UsageError
from fastdefect.events import OnEvent, Progress, silent
from fastdefect.inference.stream import Decided, decide_all
from fastdefect.jobs.predicting.open_model import open_model
from fastdefect.jobs.predicting.parts import Parts
from fastdefect.jobs.predicting.rows import Row, Tally, photo_row
from fastdefect.jobs.trained.names import Names, Patterns
from fastdefect.jobs.trained.request import Request
from fastdefect.reporting.tables.predict import photo_table
from fastdefect.reporting.tables.table_data import TableData
from fastdefect.reporting.tables.tabled import Tabled
from fastdefect.run_registry import open_run, summarise

if TYPE_CHECKING:
    from fastdefect.jobs.audit import AuditReport
    from fastdefect.jobs.comparing.report import CompareReport
    from fastdefect.jobs.evaluate import EvaluationReport
    from fastdefect.jobs.export import Exported

AnyPath = str | PathLike[str]
Split = Literal["valid", "test"]
T = TypeVar("T")

# Fields of a request that a call has an argument of its own for, or that no call has.
_NOT_ASKED = ("split", "data", "command", "known_to")


class Run(Tabled):
    """A trained run."""

    def __init__(self, run: AnyPath = "latest", *, runs: AnyPath = "runs") -> None:
        """Open the run in the folder ``run``, or with this name in the folder ``runs``.

        Raises ``RunError`` if there is none.
        """
        self._files: folders.Run = open_run(str(run), Path(runs))

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r})"

    @property
    def folder(self) -> Path:
        """The folder with the files of the run."""
        return self._files.folder

    @property
    def name(self) -> str:
        """The folder's name."""
        return self._files.name

    @property
    def metrics(self) -> Mapping[str, Mapping[str, Any]]:
        """The metrics of the training, by split and name: ``metrics["valid"]["f1"]``."""
        found: Mapping[str, Mapping[str, Any]] = self._files.read("metrics.json")
        return found

    @property
    def settings(self) -> RunConfig:
        """The settings that the run was trained with."""
        return self._files.read_config()

    def evaluate(
        self,
        split: Split = "valid",
        *,
        data: AnyPath | None = None,
        attention: bool = False,
        unseen_types: bool = False,
        on_event: OnEvent = silent,
        **request: Any,
    ) -> "EvaluationReport":
        """Measure the model as ``fastdefect evaluate`` does.

        ``data``: other labelled photos instead of the split. ``attention``: also measure the share
        of the evidence on the part. ``unseen_types``: also train without each type of defect, and
        measure its escapes. ``request``: other fields of
        ``jobs.trained.request.Request``, such as ``threshold``. The split ``test`` is the sealed
        test: the run records that it was opened.
        """
        from fastdefect.jobs.evaluate import evaluate as job

        self._files.require_model()
        asked = _request("Run.evaluate()", split, data, request)
        return job(
            self._files,
            asked,
            attention=attention,
            unseen_types=unseen_types,
            on_event=on_event,
        )

    def export(self, out: AnyPath, *, on_event: OnEvent = silent, **wanted: Any) -> "Exported":
        """Write the model as the bundle ``out``, as ``fastdefect export`` does.

        ``wanted``: other fields of ``jobs.export.Export``, such as ``examples``.
        """
        from fastdefect.jobs.export import Export
        from fastdefect.jobs.export import export as job

        self._files.require_model()
        call = "Run.export()"
        _check_names(call, wanted, [each.name for each in fields(Export) if each.name != "out"])
        checked = _checked(Export, call, {"out": Path(out), **wanted})
        return job(self._files, Request(command=call), checked, on_event=on_event)

    def tables(self) -> list[TableData]:
        """The line of ``fastdefect runs``."""
        from fastdefect.reporting.tables.fit import runs_table

        return [runs_table([summarise(self._files)])]


@dataclass(frozen=True)
class Predictions(Tabled):
    """The decisions on photos, in their order.

    ``photos`` have the typed decisions. ``rows`` have the columns of ``predict --out``, as for a
    data frame; ``parts`` those of ``predict --by part``, one for each part. ``model`` is the name
    of the run or the path of the bundle.
    """

    model: str
    photos: tuple[Decided[Candidate], ...]
    rows: tuple[Row, ...]
    parts: tuple[Row, ...] = ()

    def tables(self) -> list[TableData]:
        """The most suspicious photos."""
        tally = Tally()
        for row in self.rows:
            tally.add(row)
        return [photo_table(self.model, tally.most_suspicious(), tally.total)]


def fit(
    data: AnyPath,
    *,
    runs: AnyPath = "runs",
    name: str | None = None,
    on_event: OnEvent = silent,
    **settings: Any,
) -> Run:
    """Train a classifier as ``fastdefect fit`` does, and return the new run.

    ``settings`` are those of ``fastdefect.config``, by name: ``arch``, ``epochs``, ``folds``, ...
    Raises ``KeyboardInterrupt`` after Ctrl-C, when the state is saved and can be resumed.
    """
    from fastdefect.jobs.train import train
    from fastdefect.jobs.training.new_run import NewRun

    call = f"fastdefect.fit({str(data)!r}{''.join(f', {k}={v!r}' for k, v in settings.items())})"
    config = _config("fit", data, settings)
    found = train(config, NewRun(Path(runs), name, call), on_event=on_event)
    if found.read_state()["status"] == folders.RunStatus.INTERRUPTED:
        raise KeyboardInterrupt(f"Resume with: {found.resume_command}")
    return Run(found.folder)


def audit(
    data: AnyPath, *, out: AnyPath = "audit", on_event: OnEvent = silent, **settings: Any
) -> "AuditReport":
    """Check photos as ``fastdefect audit`` does, and write the findings to the folder ``out``.

    ``settings`` as in ``fit``.
    """
    from fastdefect.jobs.audit import audit as job

    config = _config("audit", data, settings)
    return job(config.data, seed=config.training.seed, out=Path(out), fail_on=(), on_event=on_event)


def compare(
    models: Sequence[Run | AnyPath],
    split: Split = "valid",
    *,
    runs: AnyPath = "runs",
    data: AnyPath | None = None,
    out: AnyPath = "compare",
    on_event: OnEvent = silent,
    **request: Any,
) -> "CompareReport":
    """Compare runs with the first of ``models``, as ``fastdefect compare`` does.

    ``models``: runs, or their folders, or their names in the folder ``runs``; also runs of ``fit
    --each-product``. ``out``: folder for
    the results. The other arguments as in ``Run.evaluate``.
    """
    if len(models) < 2:
        raise UsageError(
            f"compare needs two runs or more, but got {len(models)}.",
            "Give the old run first, then the new run.",
        )
    chosen = [(each if isinstance(each, Run) else Run(each, runs=runs))._files for each in models]
    for run in chosen:
        if run.read_kind() != folders.RunKind.EACH_PRODUCT:
            run.require_model()
    from fastdefect.jobs.compare import compare as job

    asked = _request("fastdefect.compare()", split, data, request)
    return job(chosen, asked, out=Path(out), on_event=on_event)


def predict(
    model: Run | AnyPath,
    photos: AnyPath | Sequence[AnyPath],
    *,
    runs: AnyPath = "runs",
    threads: int | None = None,
    on_event: OnEvent = silent,
) -> Predictions:
    """Decide on photos without labels, as ``fastdefect predict`` does.

    ``model``: a bundle or a run. ``photos``: files, folders, patterns, zips or tables. All
    decisions are kept in memory: for more than some 100 000 photos use the command with ``--out``.
    ``threads`` read the photos; None is the fastest number.
    """
    if threads is not None and not (isinstance(threads, int) and threads >= 1):
        raise UsageError(
            f"fastdefect.predict(): expected threads as an integer of 1 or more, got {threads!r}.",
            "Leave it out to use the fastest number.",
        )
    named = str(model.folder if isinstance(model, Run) else model)
    scorer = open_model(named, Path(runs), Request(), on_event)
    items = [photos] if isinstance(photos, str | PathLike) else photos
    sources = Sources.of([str(item) for item in items]).labelled(scorer.judge.classes)
    candidates = list(sources)
    names, decided = Names(Patterns(), scorer), []
    for each in decide_all(
        scorer,
        candidates,
        lambda c: c.path,
        product_of=names.product,
        view_of=names.view,
        threads=threads,
    ):
        decided.append(each)
        on_event(Progress("deciding", len(decided), len(candidates)))
    rows = tuple(photo_row(each, names, scorer) for each in decided)
    parts = Parts(scorer)
    for row in rows:
        parts.add(row)
    return Predictions(scorer.name, tuple(decided), rows, tuple(parts.rows()))


def _config(call: str, data: AnyPath, settings: Mapping[str, Any]) -> RunConfig:
    """The checked settings. Raises ``UsageError`` for an unknown name or a wrong value."""
    names = [leaf.name for leaf in config_fields() if leaf.name != "data"]
    _check_names(f"{call}()", settings, names)
    return resolve({"data": str(data), **settings}, source=f"{call}()")


def _request(call: str, split: str, data: AnyPath | None, others: Mapping[str, Any]) -> Request:
    """The checked request. Raises ``UsageError`` for an unknown name or a wrong value."""
    names = [each.name for each in fields(Request) if each.name not in _NOT_ASKED]
    _check_names(call, others, names)
    if split not in ("valid", "test"):
        raise UsageError(
            f"{call}: expected valid or test as split, got {split!r}.",
            "For other photos use data=FOLDER.",
        )
    where = None if data is None else Path(data)
    values = {**others, "split": split, "data": where, "command": call}
    if isinstance(values.get("threshold"), int | float):
        values["threshold"] = str(values["threshold"])
    return _checked(Request, call, values)


def _check_names(call: str, given: Iterable[str], names: Sequence[str]) -> None:
    """Raise ``UsageError`` for a setting that is none of ``names``."""
    for name in given:
        if name not in names:
            near = get_close_matches(name, names, 1)
            hint = f"Did you mean {near[0]}? " if near else ""
            raise UsageError(
                f"{call} has no setting {name!r}.", f"{hint}The settings are {', '.join(names)}."
            )


def _checked(kind: type[T], call: str, values: Mapping[str, Any]) -> T:
    """The dataclass with these values. Raises ``UsageError`` for one of another type."""
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise UsageError(
            f"{call}: {'.'.join(map(str, first['loc']))}: {first['msg'][0].lower()}"
            f"{first['msg'][1:]}, but got {first['input']!r:.80}.",
            "docs/python.md describes the arguments.",
        ) from error
