"""The full state of a fit in one safetensors file, written atomically.

The tensors are those of the network, its average and the optimizer. The header holds the position
in the fit and the history as JSON. There is no generator state to save: see ``callbacks``.
"""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from fastai.learner import Learner
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import nn

from fastdefect.errors import RunError
from fastdefect.training.average import WeightAverage
from fastdefect.training.backbones import contiguous_state
from fastdefect.training.callbacks import History, Position
from fastdefect.training.tensor_file import write_tensors

FORMAT = "fastdefect-checkpoint-2"
_NO_RESUME = "The run can't be resumed: start a new training."
_RESTORE = "Restore the file from a copy of the run, or train again."


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint read from disk, for ``restore_model`` and ``restore_optimizer``.

    ``average`` is empty if the weights are not averaged.
    """

    position: Position
    history: History
    model: dict[str, torch.Tensor]
    average: dict[str, torch.Tensor]
    optimizer: dict[str, torch.Tensor]
    optimizer_groups: list[dict[str, Any]]


def save_checkpoint(
    path: Path,
    learn: Learner,
    position: Position,
    history: History,
    average: WeightAverage | None = None,
) -> None:
    """Write the state of ``learn`` and of its weights' ``average`` at ``position``."""
    network = average.network if average else learn.model
    state = learn.opt.opt.state_dict()
    tensors = {f"model.{name}": value for name, value in contiguous_state(network).items()}
    if average:
        tensors |= {
            f"average.{name}": value for name, value in contiguous_state(average.average).items()
        }
    for index, values in state["state"].items():
        for name, value in values.items():
            if value is not None:
                # On the CPU in contiguous layout; loading restores the layout of the parameter.
                tensors[f"optimizer.{index}.{name}"] = torch.as_tensor(value).cpu().contiguous()
    header = {
        "format": FORMAT,
        "position": json.dumps(asdict(position)),
        "history": json.dumps(history.rows),
        "optimizer_groups": json.dumps(state["param_groups"]),
    }
    write_tensors(path, tensors, header)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint; raises ``RunError`` if it is damaged or has another format."""
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no dict)
    except (OSError, SafetensorError) as error:
        raise RunError(
            f"Expected a checkpoint, but {path} can't be read: {error}.",
            _NO_RESUME,
        ) from error
    if header.get("format") != FORMAT:
        raise RunError(
            f"{path} is not a checkpoint of this version of fastdefect "
            f"(expected {FORMAT}, found {header.get('format')}).",
            "Resume it with the version that wrote it (see environment.json), or train again.",
        )
    try:
        return Checkpoint(
            _position(json.loads(header["position"])),
            History([dict(row) for row in json.loads(header["history"])]),
            _with_prefix("model.", tensors),
            _with_prefix("average.", tensors),
            _with_prefix("optimizer.", tensors),
            [dict(group) for group in json.loads(header["optimizer_groups"])],
        )
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise RunError(f"{path} is a damaged checkpoint: {error!r:.200}.", _NO_RESUME) from error


def _position(content: dict[str, Any]) -> Position:
    found = Position(**content)
    counts = (found.epoch, found.batch, found.photos)
    if not all(isinstance(each, int) and each >= 0 for each in counts):
        raise ValueError(f"position {counts}")
    return replace(found, loss_sum=float(found.loss_sum), learning_rate=float(found.learning_rate))


def read_model(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of the ``model.safetensors`` of a run.

    Raises ``RunError`` if the file can't be read.
    """
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise RunError(f"{path} can't be read: {error}.", _RESTORE) from error


def restore_network(network: nn.Module, path: Path) -> None:
    """Load the weights in ``path`` into ``network``.

    Raises ``RunError`` if the file is damaged, or of another network.
    """
    try:
        network.load_state_dict(read_model(path))
    except RuntimeError as error:  # names or shapes of tensors
        reason = str(error).splitlines()[-1].strip()
        raise RunError(
            f"The weights in {path} are not those of the network in model.json: {reason}", _RESTORE
        ) from error


def _with_prefix(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }


def restore_model(
    checkpoint: Checkpoint, learn: Learner, average: WeightAverage | None = None
) -> None:
    """Restore the network's weights and their ``average``."""
    learn.model.load_state_dict(checkpoint.model)
    if average:
        average.average.load_state_dict(checkpoint.average)


def restore_optimizer(checkpoint: Checkpoint, learn: Learner) -> None:
    """Restore the optimizer's state; ``learn`` has its optimizer, with the same layers frozen."""
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in checkpoint.optimizer.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    groups = [
        {key: tuple(value) if key == "betas" else value for key, value in group.items()}
        for group in checkpoint.optimizer_groups
    ]
    learn.opt.opt.load_state_dict({"state": state, "param_groups": groups})
    _restore_layout(learn)


def _restore_layout(learn: Learner) -> None:
    # The moments of a new optimizer have the memory layout of their parameter. With another
    # layout sums may round differently, and a resumed run would not be bit-identical.
    for parameter, values in learn.opt.opt.state.items():
        for name, value in values.items():
            if isinstance(value, torch.Tensor) and value.shape == parameter.shape:
                values[name] = torch.empty_like(parameter).copy_(value)
