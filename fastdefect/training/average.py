"""The exponential moving average of a network's weights, which varies less than the weights.

Each step moves the weights by the gradient of one small batch. The average reduces this noise and
needs no forward pass. It is validated, saved and used; the training itself continues with the
weights of the last step. Polyak and Juditsky 1992.
"""

from typing import Any

from fastai.callback.core import Callback
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class WeightAverage(Callback):
    """Sets the averaged network as the Learner's model for validation, and its own for training."""

    order = -20  # before fastai sets the mode of ``learn.model``

    def __init__(self, network: nn.Module, decay: float) -> None:
        """Average ``network`` from its first step; 0 < ``decay`` < 1, see ``_with_warmup``."""
        self.network = network
        # With the buffers: the average needs the running statistics of batch-norm too.
        self.average = AveragedModel(network, multi_avg_fn=_with_warmup(decay), use_buffers=True)

    @property
    def averaged(self) -> nn.Module:
        """The averaged network."""
        module: nn.Module = self.average.module
        return module

    def before_train(self) -> None:
        """Train the network itself."""
        self.learn.model = self.network

    def after_batch(self) -> None:
        """Update the average with the step."""
        if self.training:
            self.average.update_parameters(self.network)

    def before_validate(self) -> None:
        """Validate the averaged network."""
        self.learn.model = self.averaged

    def after_fit(self) -> None:
        """Restore the Learner's model: the next stage's optimizer needs the network itself."""
        self.learn.model = self.network


def _with_warmup(decay: float) -> Any:
    """Return the update of an average with ``decay`` and a warm-up.

    After n steps the decay is at most (1 + n) / (10 + n), as in TensorFlow. Without this limit
    the average of a short training would still contain the first weights, which are the worst.
    """

    def update(averages: Any, weights: Any, n: Tensor | int) -> None:
        steps = int(n)
        kept = min(decay, (1 + steps) / (10 + steps))
        get_ema_multi_avg_fn(kept)(averages, weights, n)  # type: ignore[no-untyped-call]

    return update
