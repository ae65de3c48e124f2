"""Write a run's model as a bundle, if the bundle decides as the run does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fastdefect.aliases import Floats
from fastdefect.errors import ModelError, UsageError
from fastdefect.evaluation.views import FIXED_VIEWS
from fastdefect.events import Note, OnEvent
from fastdefect.files import typed, written_to
from fastdefect.inference.baseline import baseline_bytes
from fastdefect.inference.bundle import (
    BASELINE,
    ONNX,
    REFERENCE,
    SUFFIX,
    read_bundle,
    write_bundle,
)
from fastdefect.inference.card import Card, UnlikeFacts
from fastdefect.inference.inspector import bundle_scorer
from fastdefect.inference.network import open_network
from fastdefect.inference.reference_file import reference_bytes
from fastdefect.inference.unlike import ALPHA
from fastdefect.jobs.exporting.bundle_card import card_of, named_values
from fastdefect.jobs.exporting.check import (
    Check,
    Judged,
    Limits,
    Truth,
    from_files,
    photos_per_second,
)
from fastdefect.jobs.exporting.contents import (
    baseline_of,
    calibration_photos,
    example_files,
    examples_of,
    learned_by,
)
from fastdefect.jobs.exporting.networks import (
    Precision,
    Runtime,
    network_files,
    onnx_file,
    require_runtime,
)
from fastdefect.jobs.trained.photos import EvaluationPhotos, load_evaluation_photos
from fastdefect.jobs.trained.request import Request
from fastdefect.jobs.trained.run_photos import settle_root
from fastdefect.jobs.trained.scorer import RunModel, load_run_model
from fastdefect.reporting.tables.export import check_table
from fastdefect.reporting.tables.table_data import TableData
from fastdefect.reporting.tables.tabled import Tabled
from fastdefect.run import Run
from fastdefect.scratch import Scratch
from fastdefect.training.predict import Predictor

# The largest difference of a probability that is accepted by default.
_DIFFERENCES: Mapping[Precision, float] = {"fp32": 1e-3, "bf16": 0.05, "int8": 0.2}

Rows = tuple[dict[str, Any], list[dict[str, Any]]]


@dataclass(frozen=True)
class Export:
    """What to write: the form of the network, and what the bundle may differ from the run.

    ``max_difference`` of a probability; None is that of the precision. ``max_flips``: the share of
    decisions that may change.
    ``unlike_share``: the share of known parts that the check for unlike photos may send to people;
    0 leaves the check out. ``examples``: validation photos to put into the bundle.
    """

    out: Path
    runtime: Runtime = "onnx"
    precision: Precision = "fp32"
    max_difference: float | None = None
    max_flips: float = 0.0
    unlike_share: float = ALPHA
    examples: int = 0

    def __post_init__(self) -> None:
        """Raise ``UsageError`` for a share or a number that no bundle may have."""
        most_of = {"unlike_share": 0.5, "examples": 1000, "max_flips": 1, "max_difference": 1}
        for name, most in most_of.items():
            value = getattr(self, name)
            if value is not None and not 0 <= value <= most:
                raise UsageError(
                    f"Expected {name} of an export from 0 to {most:g}, got {value}.",
                    "Choose a value in this range.",
                )

    @property
    def limits(self) -> Limits:
        """What the bundle may differ from the run."""
        usual = _DIFFERENCES[self.precision]
        given = self.max_difference
        return Limits(usual if given is None else given, self.max_flips)


@dataclass(frozen=True)
class Exported(Tabled):
    """The written bundle, and each form of the network against the run."""

    out: Path
    identity: str
    megabytes: float
    run: Judged
    checks: tuple[Check, ...]

    def as_rows(self) -> Rows:
        """The run and the checks, for a table."""
        return _as_rows(self.run, self.checks)

    def as_json(self) -> dict[str, Any]:
        """The closing event for ``--json``."""
        return {
            "bundle": str(self.out),
            "identity": self.identity,
            "megabytes": self.megabytes,
            "checks": [check.as_json() for check in self.checks],
        }

    def tables(self) -> list[TableData]:
        """The bundle against its run."""
        return [check_table(*self.as_rows())]


class RefusedBundleError(ModelError):
    """A bundle that does not decide as its run; ``checks`` compare them."""

    def __init__(self, reason: str, hint: str, run: Judged, checks: tuple[Check, ...]) -> None:
        super().__init__(reason, hint)
        self.run = run
        self.checks = checks

    def as_rows(self) -> Rows:
        """The run and the checks, for a table."""
        return _as_rows(self.run, self.checks)


@dataclass(frozen=True)
class _Form:
    """One form of the network as a bundle, and its decisions against those of the run."""

    card: Card
    members: Mapping[str, bytes]
    said: Judged
    check: Check


def export(run: Run, request: Request, wanted: Export, *, on_event: OnEvent) -> Exported:
    """Export the run's model with its decision rule.

    Raises ``RefusedBundleError``, and writes nothing, if the bundle decides otherwise than the
    run, and ``UsageError`` or ``DataError`` for what is missing.
    """
    check_export(wanted)
    request = replace(request, split="valid", device="cpu")
    settle_root(run, request.data_root, ("train", "valid"), on_event)
    model = load_run_model(run, request, on_event)
    photos = load_evaluation_photos(run, request, model.spec, what="export", on_event=on_event)
    truth = _truth(model, photos)
    judged, y_prob = _judge_run(model, photos, truth)
    # All values are checked before the export, which takes long.
    card = card_of(model, photos, y_prob, on_event)
    card = _changed(
        card, examples=examples_of(photos, wanted.examples, judged.y_prob, card.network.view_input)
    )
    files = example_files(photos, wanted.examples)
    on_event(Note("Writing the network as ONNX; this takes up to some minutes."))
    source = onnx_file(model.graph)
    forms = []
    for runtime, precision in _forms(wanted):
        calibration = calibration_photos(model, on_event) if precision == "int8" else []
        members = {**network_files(source, precision, calibration), **files}
        forms.append(_check(_in_form(card, runtime, precision), members, truth, judged, on_event))
    checks = tuple(form.check for form in forms)
    _require(wanted.limits, judged, checks)
    card, members = _completed(model, photos, forms[-1], wanted, on_event)
    card = _changed(card, check=_report(wanted.limits, judged, checks))
    with written_to(wanted.out):
        written = write_bundle(wanted.out, card, members)
    size = wanted.out.stat().st_size / 1e6
    return Exported(wanted.out, written.identity, size, judged, checks)


def _as_rows(run: Judged, checks: Sequence[Check]) -> Rows:
    return vars(run), [check.as_json() for check in checks]


def check_export(wanted: Export) -> None:
    """Raise ``UsageError`` for what can't be written, before a model is loaded."""
    out = wanted.out
    if out.suffix != SUFFIX:
        raise UsageError(
            f"--out {out}: expected a file that ends in {SUFFIX}.",
            f"For example --out {typed(out.with_suffix(SUFFIX))}",
        )
    if not out.parent.is_dir():
        raise UsageError(f"--out {out}: there is no folder {out.parent}.", "Create it first.")
    require_runtime(wanted.runtime, wanted.precision)


def _forms(wanted: Export) -> list[tuple[Runtime, Precision]]:
    """The forms to compare, the wanted one last: the plain one shows what the others cost."""
    plain: tuple[Runtime, Precision] = ("onnx", "fp32")
    chosen = (wanted.runtime, wanted.precision)
    return [plain] if chosen == plain else [plain, chosen]


def _truth(model: RunModel, photos: EvaluationPhotos) -> Truth:
    classes = model.spec.classes
    return Truth(
        [photo.path for photo in photos.photos],
        np.array([classes.index(photo.label) for photo in photos.photos]),
        model.spec.good_indices,
        model.rule,
        photos.products,
        photos.shown.views,
    )


def _judge_run(model: RunModel, photos: EvaluationPhotos, truth: Truth) -> tuple[Judged, Floats]:
    """The run's own decisions, by the way of ``evaluate``; and its raw probabilities."""
    predictor = Predictor(model.graph.network, model.spec.preprocessing, model.device)
    y_prob = predictor.probabilities(
        photos.store,
        photos.rows,
        views=FIXED_VIEWS[model.rule.views],
        seen_from=photos.shown.views,
    )
    speed = photos_per_second(model.outputs, model.spec.preprocessing.frame)
    size = model.run.path("model.safetensors").stat().st_size / 1e6
    calibrated = model.rule.calibrated(y_prob)
    return truth.judged("the run, torch fp32", calibrated, speed, size), y_prob


def _check(
    card: Card, members: Mapping[str, bytes], truth: Truth, run: Judged, on_event: OnEvent
) -> _Form:
    """Write the bundle to a temporary file, and run it from there on the files of the photos."""
    facts = card.network
    with Scratch() as scratch:
        path = scratch.folder / f"model{SUFFIX}"
        write_bundle(path, card, members)
        read = read_bundle(path)
    name = f"{facts.runtime} {facts.precision}"
    found = from_files(bundle_scorer(read, name, threads=1), truth.paths, on_event, truth.views)
    # As many threads as torch uses for the run's speed.
    network = open_network(read, name, threads=torch.get_num_threads())
    speed = photos_per_second(network, card.photos.frame)
    size = len(read.files[ONNX]) / 1e6
    said = truth.judged(name, found, speed, size)
    return _Form(card, members, said, truth.compare(run, said))


def _completed(
    model: RunModel, photos: EvaluationPhotos, form: _Form, wanted: Export, on_event: OnEvent
) -> tuple[Card, dict[str, bytes]]:
    """Card and files of ``form`` with its own probabilities, and the check for unlike photos."""
    views = form.card.network.view_input
    examples = examples_of(photos, wanted.examples, form.said.y_prob, views)
    card, members = _changed(form.card, examples=examples), dict(form.members)
    alpha = wanted.unlike_share
    if alpha > 0 and (learned := learned_by(model, card, members, alpha, on_event)):
        baseline = baseline_of(model, photos, form.said.y_prob, learned, on_event)
        members |= {
            REFERENCE: reference_bytes(learned.reference),
            BASELINE: baseline_bytes(baseline),
        }
        card = _changed(card, unlike=UnlikeFacts(alpha=alpha, parts=len(learned.reference.scores)))
    return card, members


def _require(limits: Limits, run: Judged, checks: tuple[Check, ...]) -> None:
    if reasons := limits.exceeded(checks[-1]):
        raise RefusedBundleError(
            f"The bundle ({checks[-1].name}) differs too much from the run on its validation "
            f"photos: {' and '.join(reasons)}. Nothing was written.",
            "If the difference is acceptable: --max-flips SHARE and --max-difference P allow it.",
            run,
            checks,
        )


def _report(limits: Limits, run: Judged, checks: Sequence[Check]) -> dict[str, Any]:
    return {
        "limits": vars(limits),
        "run": {"escapes": run.escapes, "overkills": run.overkills},
        "forms": [check.as_json() for check in checks],
    }


def _changed(card: Card, **changes: Any) -> Card:
    """``card`` with other fields; raises ``UsageError`` for a value that no card may have."""
    with named_values():
        return Card(**{**dict(card), **changes})


def _in_form(card: Card, runtime: Runtime, precision: Precision) -> Card:
    network = card.network.model_copy(update={"runtime": runtime, "precision": precision})
    return card.model_copy(update={"network": network})
