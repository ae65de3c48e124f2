"""The classification head on top of a backbone."""

from typing import Literal

from torch import nn

Head = Literal["linear", "mlp", "stages", "memory"]

DROPOUT = (0.5, 0.3, 0.2)
WIDTHS = (512, 256)


def build_head(
    n_features: int, n_classes: int, *, spatial: bool, kind: Head = "mlp"
) -> nn.Sequential:
    """Build the layers after the backbone; the last one returns a logit for each class.

    ``linear`` is pool - classes, which a probe can fill. ``stages`` is the same for a backbone that
    is read at several depths (``backbones.staged``). ``mlp`` is pool - 0.5 - 512 - 0.3 - 256 -
    0.2 - classes, with dropout before each linear layer. If ``spatial``, the backbone returns maps
    (n, ``n_features``, h, w), pooled here by their mean; otherwise vectors (n, ``n_features``).
    """
    pool: list[nn.Module] = [nn.AdaptiveAvgPool2d(1), nn.Flatten()] if spatial else []
    if kind != "mlp":
        head = nn.Sequential(*pool, nn.Linear(n_features, n_classes))
        _initialise(head)
        return head
    hidden: list[nn.Module] = []
    width_in = n_features
    for width, dropout in zip(WIDTHS, DROPOUT, strict=False):
        hidden += [
            nn.Dropout(dropout),
            # No bias: the following batch-norm has one.
            nn.Linear(width_in, width, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(inplace=True),
        ]
        width_in = width
    head = nn.Sequential(*pool, *hidden, nn.Dropout(DROPOUT[-1]), nn.Linear(width_in, n_classes))
    _initialise(head)
    return head


def _initialise(head: nn.Sequential) -> None:
    """Apply He initialisation to the layers before a ReLU (He et al. 2015).

    The last layer has small weights, so that for any width the first predictions are near chance
    and the first loss is near log(n_classes).
    """
    *hidden, last = [layer for layer in head if isinstance(layer, nn.Linear)]
    for layer in hidden:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.normal_(last.weight, std=0.01)
    nn.init.zeros_(last.bias)
