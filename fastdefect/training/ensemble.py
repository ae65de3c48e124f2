"""Several networks that answer as one: the mean of what they hold probable.

Networks that differ only by their seed err on different photos, so that their mean errs less
than one of them, and is better calibrated. Lakshminarayanan et al. 2017, "Simple and scalable
predictive uncertainty estimation using deep ensembles".
"""

import math
from collections.abc import Mapping, Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn

_NETWORKS = "networks"


class Ensemble(nn.Module):
    """The mean of its networks' probabilities, in the form in which one network answers."""

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        """Average ``networks``, one or more, of the same classes."""
        super().__init__()
        if not networks:
            raise ValueError("Expected a network at least")
        self.networks = nn.ModuleList(networks)

    def forward(self, photos: Tensor) -> Tensor:
        """Log of the mean probabilities (n, n_classes), float32, of ``photos`` (n, 3, h, w).

        The softmax of a log of probabilities is the probabilities: whatever takes the logits of
        one network takes these. No probability underflows on the way.
        """
        logs = [network(photos).float().log_softmax(dim=1) for network in self.networks]
        return torch.stack(logs).logsumexp(dim=0) - math.log(len(logs))


def averaging(network: nn.Module, members: int) -> nn.Module:
    """A model of so many copies of ``network``, for weights of ``joined_state``; of one, itself."""
    if members == 1:
        return network
    return Ensemble([network, *(deepcopy(network) for _ in range(members - 1))])


def joined_state(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The state of the model that averages networks of these ``states``; of one, its own."""
    if len(states) == 1:
        return dict(states[0])
    return {
        f"{_NETWORKS}.{number}.{name}": value
        for number, state in enumerate(states)
        for name, value in state.items()
    }
