"""An ensemble: the mean of the probabilities of several networks.

Networks that differ only by their seed make errors on different photos. Their mean makes fewer
errors than one of them and is better calibrated. Lakshminarayanan et al. 2017, "Simple and scalable
predictive uncertainty estimation using deep ensembles".
"""

import math
from collections.abc import Mapping, Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn

_NETWORKS = "networks"


class Ensemble(nn.Module):
    """A network that averages the probabilities of its member networks."""

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        """Average one or more ``networks`` with the same classes."""
        super().__init__()
        if not networks:
            raise ValueError("Expected at least one network, found none")
        self.networks = nn.ModuleList(networks)

    def forward(self, photos: Tensor, *views: Tensor) -> Tensor:
        """Return the log of the mean probabilities (n, n_classes), float32, of ``photos``.

        ``views`` is the second input of networks with a ``ViewHead``. The softmax of these logs is
        the mean probabilities, so they can replace the logits of one network. The computation does
        not underflow.
        """
        return averaged([network(photos, *views) for network in self.networks])


def averaged(logits: Sequence[Tensor]) -> Tensor:
    """The log of the mean probabilities, float32, of several ``logits`` (..., n_classes)."""
    logs = [each.float().log_softmax(dim=-1) for each in logits]
    return torch.stack(logs).logsumexp(dim=0) - math.log(len(logs))


def averaging(network: nn.Module, members: int) -> nn.Module:
    """Return a model of ``members`` copies of ``network``; with one member, ``network`` itself.

    Its weights come from ``joined_state``.
    """
    if members == 1:
        return network
    return Ensemble([network, *(deepcopy(network) for _ in range(members - 1))])


def joined_state(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return the state of the ensemble of networks with ``states``; of one network, its own."""
    if len(states) == 1:
        return dict(states[0])
    return {
        f"{_NETWORKS}.{number}.{name}": value
        for number, state in enumerate(states)
        for name, value in state.items()
    }


def first_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the state of the first network of an ensemble; of one network, its own."""
    prefix = f"{_NETWORKS}.0."
    first = {
        name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)
    }
    return first or dict(state)
