"""The network of the pipeline that this one replaces: what a gain is measured against."""

from collections import OrderedDict
from typing import Any

from torch import nn

SMALL_CNN = "small-cnn"
WIDTHS = (32, 64, 128)


def build_small_cnn() -> nn.Sequential:
    """Three blocks of 3x3 convolution, ReLU and 2x2 max-pooling, to 32, 64 and 128 maps.

    This is the body of the old pipeline's hand-made classifier, which reached 77 % accuracy on
    validation photos, and 62 % on those that it was trained on, after 3 epochs. Pixels
    (n, 3, s, s) become maps (n, 128, s / 8, s / 8); s is at least 8. There are no pretrained
    weights of it. The first ones are drawn from torch's global generator as suits a ReLU (He et
    al. 2015, fan in); biases are 0.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    width_in = 3
    for block, width in enumerate(WIDTHS, start=1):
        convolution: Any = nn.Conv2d(width_in, width, kernel_size=3, padding=1)
        nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
        nn.init.zeros_(convolution.bias)
        layers[f"conv{block}"] = convolution
        layers[f"relu{block}"] = nn.ReLU(inplace=True)
        layers[f"pool{block}"] = nn.MaxPool2d(2)
        width_in = width
    return nn.Sequential(layers)
