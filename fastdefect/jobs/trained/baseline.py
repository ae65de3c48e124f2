"""The baseline of a run: what its model says of the photos that it was not trained on."""

from collections.abc import Mapping, Sequence

import numpy as np

from fastdefect.aliases import Floats
from fastdefect.errors import DataError
from fastdefect.events import OnEvent
from fastdefect.good import Good, is_good
from fastdefect.inference.baseline import Sample
from fastdefect.inference.decision_rule import DecisionRule, defect_score
from fastdefect.jobs.trained.decision import decision_for, judge_validation
from fastdefect.jobs.trained.model import read_spec
from fastdefect.jobs.trained.reference import stored_distances
from fastdefect.jobs.trained.request import Request
from fastdefect.jobs.trained.scorer import load_run_model, run_identity
from fastdefect.run import Run


def run_baseline(run: Run, request: Request, on_event: OnEvent) -> tuple[Sample, str]:
    """The baseline of the run by the rule of ``request``, and the identity of the model.

    Computes the distances if they are not stored. Raises ``DataError`` if they can't be computed.
    """
    rule = decision_for(run, request.threshold, request.views, request.device, on_event)
    distances = stored_distances(run)
    if distances is None:
        model = load_run_model(run, request, on_event, rule=rule)
        learned = model.learned(on_event, data_root=request.data_root)
        if learned is None:
            raise DataError(
                f"{run.name} has no baseline, which needs the photos of its training.",
                "Name the folder where they are now with --data-root.",
            )
        distances = learned.distances
    judged = judge_validation(run, rule.views, request.device, on_event)
    named = (judged.predictions.names, judged.parts)
    calibrated = rule.calibrated(judged.predictions.y_prob)
    sample = sample_of(named, calibrated, distances, rule, read_spec(run).good_indices)
    return sample, run_identity(run, rule)


def sample_of(
    named: tuple[Sequence[str], Sequence[str]],
    calibrated: Floats,
    distances: Mapping[str, float],
    rule: DecisionRule,
    good: Good,
) -> Sample:
    """Held-out photos, ``named`` by their paths and parts, with their ``distances`` by path.

    ``calibrated`` (n, n_classes) are their probabilities. NaN is the distance of a photo without
    one, and P(defect) is 1 without a good class.
    """
    paths, parts = named
    return Sample(
        np.array(parts),
        is_good(rule.decide(calibrated, good), good),
        defect_score(calibrated, good) if good else np.ones(len(calibrated)),
        np.array([distances.get(path, np.nan) for path in paths]),
    )
