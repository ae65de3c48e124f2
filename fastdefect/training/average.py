"""The average of a network's weights over the last steps, which is steadier than the last step.

Each step moves the weights by what one batch of a few photos happened to say. Their exponential
moving average forgets such steps again, costs no forward pass, and is what is validated, kept
and used; the training itself goes on with the weights as they are. Polyak and Juditsky 1992.
"""

from typing import Any

from fastai.callback.core import Callback
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class WeightAverage(Callback):
    """Gives the Learner the averaged network to validate, and its own to train."""

    order = -20  # before fastai sets the mode of ``learn.model``

    def __init__(self, network: nn.Module, decay: float) -> None:
        """Average ``network`` from its first step on; 0 < ``decay`` < 1, see ``_warming``."""
        self.network = network
        # With the buffers: the running statistics of batch-norm belong to the weights.
        self.average = AveragedModel(network, multi_avg_fn=_warming(decay), use_buffers=True)

    @property
    def averaged(self) -> nn.Module:
        """The averaged network."""
        module: nn.Module = self.average.module
        return module

    def before_train(self) -> None:
        """Train the network itself."""
        self.learn.model = self.network

    def after_batch(self) -> None:
        """Take the step into the average."""
        if self.training:
            self.average.update_parameters(self.network)

    def before_validate(self) -> None:
        """Validate the average."""
        self.learn.model = self.averaged

    def after_fit(self) -> None:
        """Leave the Learner as it was: the next stage's optimizer wants the network itself."""
        self.learn.model = self.network


def _warming(decay: float) -> Any:
    """At each step the average keeps ``decay`` of itself and takes the rest from the network.

    After n steps it keeps (1 + n) / (10 + n) at most: the first weights are the worst, and a
    short training would end before it had forgotten them (so does TensorFlow's average warm up).
    """

    def update(averages: Any, weights: Any, n: Tensor | int) -> None:
        steps = int(n)
        kept = min(decay, (1 + steps) / (10 + steps))
        get_ema_multi_avg_fn(kept)(averages, weights, n)  # type: ignore[no-untyped-call]

    return update
