"""The network of a finished run as the start of another: ``--weights RUN`` and ``--from RUN``.

The file of a run has the names of the whole network, body and head, instead of the public names.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from fastdefect.errors import ModelError
from fastdefect.files import typed
from fastdefect.run import Run
from fastdefect.training.ensemble import first_state
from fastdefect.training.joint import classifier_state

_BODY, _HEAD = "0.0.", "1."  # as ``learner.build_network`` nests them
_STAGED = "body."  # below the body, if it is read at several depths


@dataclass(frozen=True)
class TrainedNetwork:
    """The network of the run in ``folder``; of several that the run averages, the first."""

    folder: Path

    @property
    def name(self) -> str:
        """The name of the run."""
        return self.folder.name

    @property
    def arch(self) -> str:
        """The name of its architecture."""
        return str(self._description["arch"])

    @property
    def head(self) -> str:
        """The kind of its head."""
        return str(self._description.get("head", "mlp"))

    @property
    def classes(self) -> tuple[str, ...]:
        """Its classes, in the order of its outputs."""
        return tuple(self._description["classes"])

    @property
    def view_input(self) -> tuple[str, ...]:
        """The views that it takes as an input; empty if it takes photos alone."""
        return tuple(self._description["preprocessing"].get("view_input", ()))

    @property
    def note(self) -> str:
        """The source of the weights, for a message."""
        members = int(self._description.get("members", 1))
        return f"run {self.name}" + (f", the first of its {members} networks" * (members > 1))

    def fill(self, body: nn.Module, arch: str) -> int:
        """Load the weights into a body of ``arch``; return the number of tensors.

        Raises ``ModelError`` if the network of the run is another one.
        """
        if arch != self.arch:
            raise ModelError(
                f"The network of the run {self.folder} is {self.arch}, but --arch is {arch}.",
                f"Remove --arch, or give --arch {self.arch}.",
            )
        prefix = _BODY + (_STAGED if self.head == "stages" else "")
        state = _below(prefix, self._state)
        try:
            body.load_state_dict(state)
        except RuntimeError as error:
            raise ModelError(
                f"The weights of the run {self.folder} do not fit {arch} at this --image-size: "
                f"{str(error).splitlines()[-1].strip()}",
                "Train with the --image-size of the run.",
            ) from error
        return len(state)

    def fill_head(
        self, head: nn.Sequential, classes: tuple[str, ...], views: tuple[str, ...] = ()
    ) -> tuple[str, ...]:
        """Load the head, with the outputs of the classes that both have; return these classes.

        The outputs of other classes keep their values, and so do the weights of ``views`` that only
        this head has. The kinds of both heads must be the same.
        """
        state = _below(_HEAD, self._state)
        own = head.state_dict()
        *_, last = own  # weight and bias of the last layer have the same module
        module = last.rpartition(".")[0]
        both = tuple(name for name in self.classes if name in classes)
        rows = [classes.index(name) for name in both]
        theirs = [self.classes.index(name) for name in both]
        seen_by_both = [name for name in self.view_input if name in views]
        columns = [views.index(name) for name in seen_by_both]
        their_columns = [self.view_input.index(name) for name in seen_by_both]
        with torch.no_grad():
            for name, value in state.items():
                if ".view_" in name:  # (classes, views, ...), of a head with views
                    if columns:
                        given = value[theirs][:, their_columns].to(own[name].device)
                        own[name][np.ix_(rows, columns)] = given
                elif name.rpartition(".")[0] == module:
                    own[name][rows] = value[theirs].to(own[name].device)
                else:
                    own[name].copy_(value)
        return both

    @cached_property
    def _description(self) -> dict[str, Any]:
        return dict(Run(self.folder).read("model.json"))

    @property
    def _state(self) -> Mapping[str, Tensor]:
        path = self.folder / "model.safetensors"
        try:
            return first_state(classifier_state(load_file(path)))
        except (OSError, SafetensorError) as error:
            raise ModelError(
                f"The weights of the run {self.folder} can't be read: {error}.",
                f"Give another run, or finish this one: fastdefect fit --resume "
                f"{typed(self.folder)}",
            ) from error


def trained_network(weights: str) -> TrainedNetwork | None:
    """The network that ``--weights`` names by a run's folder or file; None for anything else."""
    path = Path(weights)
    folder = path.parent if path.name == "model.safetensors" else path
    return TrainedNetwork(folder.resolve()) if (folder / "model.json").is_file() else None


def _below(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors with a prefix, without it."""
    return {
        name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)
    }
