"""``fit --learn both``: a memory of good parts beside the training of a classifier.

The memory comes first, while the network has its first weights, and is stored. So a training that
was interrupted continues as any other, and needs these weights no more. At the end the best epoch
and the memory become one network (``training/joint.py``).
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import load_file
from scipy.special import expit, logit
from torch import nn

from fastdefect.aliases import Floats
from fastdefect.data.training_data import TrainingData
from fastdefect.errors import RunError
from fastdefect.evaluation.decisions.calibration import fit_temperature
from fastdefect.evaluation.decisions.conformal import (
    GoodPoint,
    choose_from_good,
    raised_for_defects,
    usual_level,
)
from fastdefect.events import Note, OnEvent
from fastdefect.files import typed
from fastdefect.good import is_good
from fastdefect.inference.decision_rule import DecisionRule, defect_score
from fastdefect.inference.halves import HALVES, MEMORY, rejecting
from fastdefect.jobs.training.assemble import Job
from fastdefect.run import Run, RunStatus
from fastdefect.text import counted
from fastdefect.training.backbones import build_backbone, contiguous_state
from fastdefect.training.callbacks import History
from fastdefect.training.fit import Fitted
from fastdefect.training.fit_memory import fill_memory
from fastdefect.training.joint import Halves, Joint, classifier_state, joint_state
from fastdefect.training.learner import build_memory
from fastdefect.training.memory_inputs import TURNED, MemoryInputs
from fastdefect.training.once import Stopped
from fastdefect.training.predict import Predictor
from fastdefect.training.stages import Staged
from fastdefect.training.tensor_file import write_tensors

_FILE = "memory.safetensors"
_THRESHOLD = 0.5
# The odds of the memory are so many times steeper than alone. Another threshold is mostly one for
# the classifier: so the bound of the memory hardly moves with it (docs/benchmarks.md).
_STEEP = 3
_MOST_ODDS = 30.0  # log odds whose probability is below 1 in double precision

StopRequested = Callable[[], bool]


def with_memory(
    job: Job,
    run: Run,
    train: Callable[[], Fitted],
    on_event: OnEvent,
    stop: StopRequested,
    *,
    resumed: bool,
) -> Fitted:
    """Fill the memory, unless the training is ``resumed``; ``train`` the classifier; join both.

    Raises the errors of ``fill_memory``, and ``RunError`` if a resumed run has lost its memory.
    """
    if resumed and not run.path(_FILE).exists():
        raise RunError(
            f"Expected the memory of good parts in {run.path(_FILE)}, but there is no such file.",
            f"Start again: fastdefect fit --config {typed(run.path('config.toml'))}",
        )
    if not resumed:
        try:
            _keep_memory(job, run, on_event, stop)
        except Stopped:
            return Fitted(RunStatus.INTERRUPTED, History())
    ended = train()
    if ended.history.best_epoch is not None:
        _join(job, run, ended.history.best_epoch)
    return ended


def _keep_memory(job: Job, run: Run, on_event: OnEvent, stop: StopRequested) -> None:
    spec = job.spec
    backbone, _ = build_backbone(spec.arch, "none", spec.preprocessing.image_size)
    body: Any = job.learn.model[0][0]  # with its first weights
    body = body.body if isinstance(body, Staged) else body
    backbone.body.load_state_dict(body.state_dict())
    device = job.machine.device
    network = build_memory(spec, backbone, device)
    seed = job.config.training.seed
    turned = TURNED[job.config.training.turned]
    inputs = MemoryInputs(network, job.data, spec.preprocessing, device, seed, turned)
    fill_memory(inputs, on_event, stop)
    bound = _bound(inputs)
    memory = inputs.memory
    memory.usual.fill_(float(memory.usual + memory.spread * logit(bound.threshold)))
    memory.spread.div_(_STEEP)
    on_event(
        Note(
            f"The memory rejects a new good part with a probability of at most {bound.level:.2%} "
            f"(a conformal bound from {counted(bound.n_parts, 'good part')} of validation)."
        )
    )
    write_tensors(run.path(_FILE), contiguous_state(network), {})


def _bound(inputs: MemoryInputs) -> GoodPoint:
    """The bound of the memory, as a probability by the scale of its distances.

    It is chosen on the good validation parts. If validation has defects, it is raised as far as the
    memory rejects the same of them.
    """
    data = inputs.data
    valid = data.split.valid
    (odds,) = inputs.scores(valid, inputs.memory.odds)
    scores: Floats = expit(np.clip(odds, -_MOST_ODDS, _MOST_ODDS))
    good = is_good(data.manifest.labels[list(valid)], data.manifest.good_indices)
    bound = _of_good(data, scores)
    return raised_for_defects(bound, scores[good], _good_parts(data), scores[~good])


def _of_good(data: TrainingData, scores: Floats) -> GoodPoint:
    """The conformal bound from the scores (n,) of the validation photos; the good ones count."""
    parts = _good_parts(data)
    good = is_good(data.manifest.labels[list(data.split.valid)], data.manifest.good_indices)
    return choose_from_good(scores[good], parts, usual_level(len(set(parts))))


def _good_parts(data: TrainingData) -> list[str]:
    """The part of each good validation photo."""
    photos, good = data.manifest.photos, data.manifest.good
    return [data.split.parts[i] for i in data.split.valid if photos[i].label in good]


def _join(job: Job, run: Run, epoch: int) -> None:
    """Write the classifier of the best epoch and the memory as the model of ``run``."""
    path = run.path("model.safetensors")
    state = classifier_state(load_file(path))
    classifier: nn.Module = deepcopy(job.learn.model)
    classifier.load_state_dict(state)
    temperature = _temperature(job, classifier, job.data)
    joined = joint_state(state, load_file(run.path(_FILE)), temperature)
    write_tensors(path, joined, {"epoch": str(epoch)})


def _temperature(job: Job, classifier: nn.Module, data: TrainingData) -> float:
    """The temperature of the classifier alone, fitted to validation; 1 if it has one class."""
    valid = data.split.valid
    labels = data.manifest.labels[list(valid)]
    if len(np.unique(labels)) < 2:
        return 1.0
    predictor = Predictor(classifier, job.spec.preprocessing, job.machine.device)
    y_prob = predictor.probabilities(data.store, data.rows(valid))
    return fit_temperature(labels, y_prob).value


def keep_joint_point(run: Run, job: Job, on_event: OnEvent) -> None:
    """Store the threshold at which either half rejects; a note tells what each rejects.

    P(defect) is 0.5 at the bound of the memory, and where the classifier decides by itself.
    """
    data, spec = job.data, job.spec
    valid = data.split.valid
    predictor = replace(job.predictor, network=Halves(cast("Joint", job.learn.model)))
    halves = predictor.probabilities(data.store, data.rows(valid))
    good = is_good(data.manifest.labels[list(valid)], spec.good_indices)
    scores = defect_score(halves[:, HALVES.index(MEMORY)], spec.good_indices)
    bound = _of_good(data, scores)
    said = (
        f"P(defect) {_THRESHOLD} of either half; the memory alone rejects a new good part with a "
        f"probability of at most {bound.level:.2%} (from {counted(bound.n_parts, 'good part')})"
    )
    rule = DecisionRule("none", 1.0, _THRESHOLD, None, said)
    alone = rejecting(halves, rule, spec.good_indices)
    run.write("operating_point.json", _point(run, rule, bound, _tallies(alone, good)))
    on_event(Note(_halves_text(alone, good)))
    on_event(Note(f"Threshold: {said}. To choose another: fastdefect threshold."))


def _point(
    run: Run, rule: DecisionRule, bound: GoodPoint, tally: dict[str, dict[str, int]]
) -> dict[str, Any]:
    """The content of ``operating_point.json``."""
    return {
        "run": str(run.folder),
        "rule": "joint",
        "settings": {"level": bound.level, "n_parts": bound.n_parts},
        "threshold": rule.threshold,
        "high": None,
        "said": rule.rule,
        "chosen_on": "the validation photos",
        "unit": "photo",
        "part_rule": None,
        "views": rule.views,
        "temperature": rule.temperature,
        "tally": tally,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": "fastdefect fit",
    }


def _tallies(alone: NDArray[np.bool_], good: NDArray[np.bool_]) -> dict[str, dict[str, int]]:
    """The mistakes of each half and of either; ``alone`` (n, 2) is what each rejects."""
    of_halves = {name: _counts(alone[:, half], good) for half, name in enumerate(HALVES)}
    return {**of_halves, "either": _counts(np.asarray(alone.any(axis=1)), good)}


def _counts(rejected: NDArray[np.bool_], good: NDArray[np.bool_]) -> dict[str, int]:
    return {
        "overkills": int(rejected[good].sum()),
        "n_good": int(good.sum()),
        "escapes": int((~rejected[~good]).sum()),
        "n_defective": int((~good).sum()),
    }


def _halves_text(alone: NDArray[np.bool_], good: NDArray[np.bool_]) -> str:
    """What each half rejects of validation, in words; ``alone`` (n, 2)."""

    def of(kind: str, chosen: NDArray[np.bool_]) -> str:
        by_classifier, by_memory = alone[chosen].sum(axis=0)
        either = int(alone[chosen].any(axis=1).sum())
        photos = counted(int(chosen.sum()), f"{kind} photo")
        return (
            f"of {photos} {by_classifier} by the classifier, {by_memory} by the memory, {either} "
            "by either"
        )

    texts = [of(kind, side) for kind, side in (("good", good), ("defective", ~good)) if side.any()]
    return f"Rejected on validation: {'; '.join(texts)}."
