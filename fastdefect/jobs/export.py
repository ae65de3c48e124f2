"""Write a run's model as a bundle, if the bundle decides as the run does."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
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
from fastdefect.jobs.exporting.bundle_card import card_of
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
    example_photos,
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
from fastdefect.training.predict import Predictor

# The largest difference of a probability that is accepted by default.
DIFFERENCES: Mapping[Precision, float] = {"fp32": 1e-3, "bf16": 0.05, "int8": 0.2}

Rows = tuple[dict[str, Any], list[dict[str, Any]]]


@dataclass(frozen=True)
class Export:
    """What to write: the form of the network, and what the bundle may differ from the run.

    ``unlike_share``: the share of known parts that the check for unlike photos may send to people;
    0 leaves the check out. ``examples``: validation photos to put into the bundle.
    """

    out: Path
    runtime: Runtime = "onnx"
    precision: Precision = "fp32"
    limits: Limits = field(default_factory=lambda: Limits(1e-3, 0.0))
    unlike_share: float = ALPHA
    examples: int = 0

    def __post_init__(self) -> None:
        """Raise ``UsageError`` for a share or a number that no bundle may have."""
        for name, most in (("unlike_share", 0.5), ("examples", 1000)):
            value = getattr(self, name)
            if not 0 <= value <= most:
                raise UsageError(
                    f"Expected {name} of an export from 0 to {most:g}, got {value}.",
                    "Choose a value in this range.",
                )


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
    on_event(Note("Writing the network as ONNX; this takes up to some minutes."))
    source = onnx_file(model.graph, model.spec.preprocessing.image_size)
    card, checks = card_of(model, photos, y_prob), []
    for runtime, precision in _forms(wanted):
        calibration = calibration_photos(run, on_event) if precision == "int8" else []
        network = network_files(source, runtime, precision, calibration)
        formed = _in_form(card, runtime, precision)
        said, check = _check(formed, network, truth, judged, on_event)
        checks.append(check)
    _require(wanted.limits, judged, tuple(checks))
    examples, members = example_photos(photos, wanted.examples, judged.y_prob)
    changes: dict[str, Any] = {
        "check": _report(wanted.limits, judged, checks),
        "examples": examples,
    }
    alpha = wanted.unlike_share
    if alpha > 0 and (learned := learned_by(model, formed, network, alpha, on_event)):
        baseline = baseline_of(model, photos, said.y_prob, learned, on_event)
        members |= {
            REFERENCE: reference_bytes(learned.reference),
            BASELINE: baseline_bytes(baseline),
        }
        changes["unlike"] = UnlikeFacts(alpha=alpha, parts=len(learned.reference.scores))
    with written_to(wanted.out):
        written = write_bundle(
            wanted.out, formed.model_copy(update=changes), {**network, **members}
        )
    size = wanted.out.stat().st_size / 1e6
    return Exported(wanted.out, written.identity, size, judged, tuple(checks))


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
    )


def _judge_run(model: RunModel, photos: EvaluationPhotos, truth: Truth) -> tuple[Judged, Floats]:
    """The run's own decisions, by the way of ``evaluate``; and its raw probabilities."""
    predictor = Predictor(model.graph.network, model.spec.preprocessing, model.device)
    y_prob = predictor.probabilities(photos.store, photos.rows, views=FIXED_VIEWS[model.rule.views])
    speed = photos_per_second(model.outputs, model.spec.preprocessing.image_size)
    size = model.run.path("model.safetensors").stat().st_size / 1e6
    calibrated = model.rule.calibrated(y_prob)
    return truth.judged("the run, torch fp32", calibrated, speed, size), y_prob


def _check(
    card: Card, members: Mapping[str, bytes], truth: Truth, run: Judged, on_event: OnEvent
) -> tuple[Judged, Check]:
    """Write the bundle to a temporary file, and run it from there on the files of the photos."""
    facts = card.network
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"model{SUFFIX}")
        write_bundle(path, card, members)
        read = read_bundle(path)
    name = f"{facts.runtime} {facts.precision}"
    found = from_files(bundle_scorer(read, name, threads=1), truth.paths, on_event)
    # As many threads as torch uses for the run's speed.
    network = open_network(read, name, threads=torch.get_num_threads())
    speed = photos_per_second(network, card.photos.image_size)
    size = len(read.files[ONNX]) / 1e6
    said = truth.judged(name, found, speed, size)
    return said, truth.compare(run, said)


def _require(limits: Limits, run: Judged, checks: tuple[Check, ...]) -> None:
    if reasons := limits.exceeded(checks[-1]):
        raise RefusedBundleError(
            f"The bundle ({checks[-1].name}) does not decide as the run on its validation photos: "
            f"{' and '.join(reasons)}. Nothing was written.",
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


def _in_form(card: Card, runtime: Runtime, precision: Precision) -> Card:
    network = card.network.model_copy(update={"runtime": runtime, "precision": precision})
    return card.model_copy(update={"network": network})
