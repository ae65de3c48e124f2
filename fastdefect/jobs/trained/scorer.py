"""A run's model, ready to decide on photos without labels."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from fastdefect.aliases import Floats32, Pixels
from fastdefect.data.reading.images import Reading
from fastdefect.evaluation.views import FIXED_VIEWS
from fastdefect.events import OnEvent
from fastdefect.inference.decision_rule import DecisionRule
from fastdefect.inference.judge import Judge
from fastdefect.inference.outputs import Given, Outputs, give, outputs_of
from fastdefect.inference.scorer import Scorer
from fastdefect.inference.unlike import ALPHA, Reference
from fastdefect.jobs.trained.decision import decision_for
from fastdefect.jobs.trained.model import load_network
from fastdefect.jobs.trained.reference import Learned, learned_for
from fastdefect.jobs.trained.request import Request
from fastdefect.jobs.training.sides import known_views
from fastdefect.run import Run
from fastdefect.training.inference_graph import InferenceGraph
from fastdefect.training.learner import ModelSpec


@dataclass(frozen=True)
class RunModel:
    """The network of a run as one graph on its device, with its rule."""

    run: Run
    spec: ModelSpec
    rule: DecisionRule
    graph: InferenceGraph
    device: torch.device

    def outputs(self, pixels: Pixels, *seen: Floats32) -> Given:
        """What the network gives for n photos, uint8 RGB in the frame; ``seen`` is as in ``give``.

        Without it the views of the photos are not known.
        """
        return give(self._run, self.graph.frame, pixels, seen)

    def _run(self, *inputs: Pixels | Floats32) -> list[Floats32]:
        given = [torch.from_numpy(np.ascontiguousarray(each)).to(self.device) for each in inputs]
        with torch.inference_mode():
            return [each.float().cpu().numpy() for each in self.graph(*given)]

    @property
    def in_tiles(self) -> bool:
        """Whether photos are cut into tiles."""
        return self.spec.preprocessing.tiles > 1

    def learned(
        self, on_event: OnEvent, *, data_root: Path | None = None, alpha: float = ALPHA
    ) -> Learned | None:
        """What the model has learned of its photos; see ``learned_for``."""
        return learned_for(
            self.run,
            self.outputs,
            self.blocks,
            on_event,
            in_tiles=self.in_tiles,
            data_root=data_root,
            alpha=alpha,
        )

    @property
    def blocks(self) -> tuple[int, ...]:
        """The widths of the features, by depth."""
        return self.graph.widths()


def run_identity(run: Run, rule: DecisionRule) -> str:
    """A hash of the weights of a run and its rule."""
    weights = hashlib.sha256(run.path("model.safetensors").read_bytes()).hexdigest()
    text = json.dumps(rule.as_json(), sort_keys=True)
    return hashlib.sha256(f"{weights} {text}".encode()).hexdigest()


def load_run_model(
    run: Run, request: Request, on_event: OnEvent, *, rule: DecisionRule | None = None
) -> RunModel:
    """The run's model with ``rule``, else with the rule of ``request``.

    Raises as ``decision_for``.
    """
    if rule is None:
        rule = decision_for(run, request.threshold, request.views, request.device, on_event)
    predictor, spec = load_network(run, request.device)
    graph = InferenceGraph(predictor.network, spec.preprocessing, FIXED_VIEWS[rule.views])
    return RunModel(run, spec, rule, graph.to(predictor.device).eval(), predictor.device)


def run_scorer(run: Run, request: Request, on_event: OnEvent) -> Scorer:
    """The run's model for ``predict``, with the reference of the photos it was trained on."""
    model = load_run_model(run, request, on_event)
    learned = model.learned(on_event, data_root=request.data_root)
    return scorer_of(model, learned.reference if learned else None)


def scorer_of(model: RunModel, reference: Reference | None) -> Scorer:
    """The scorer of a run's model; its network takes batches in one thread."""
    spec, config = model.spec, model.run.read_config().data

    def outputs(pixels: Pixels, *seen: Floats32) -> Outputs:
        return outputs_of(model.outputs(pixels, *seen), spec.good_indices, joint=spec.memory)

    return Scorer(
        model.run.name,
        run_identity(model.run, model.rule),
        spec.preprocessing.frame,
        reading_of(model),
        outputs,
        Judge(spec.classes, spec.good_indices, model.rule, reference),
        concurrent=False,
        part_from=config.part_from if config.parts in ("auto", "regex") else None,
        view_from=config.view_from,
        product_from=config.product_from,
        views=tuple(sorted(known_views(model.run))),
        joint=spec.memory,
        view_input=spec.preprocessing.view_input,
    )


def reading_of(model: RunModel) -> Reading:
    """How the run reads photos."""
    config = model.run.read_config().data
    how = Reading.of(config)
    return Reading(model.spec.white, how.max_megapixels, how.side)
