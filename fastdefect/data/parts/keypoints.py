"""Keypoints: small regions that can be found again on a rotated, shifted or relit photo.

The detector is SIFT (D. Lowe, "Distinctive image features from scale-invariant keypoints", 2004)
in OpenCV's implementation. It runs on a copy of the photo with normalised local brightness and
contrast, which reduces the effect of light and background. A descriptor is reduced to its low
frequencies: 46 of the 128 coefficients of a cosine transform along its 4 x 4 cells and a Fourier
transform around its 8 directions. These axes are fixed and not learned, so the descriptor of a
photo does not depend on other photos. The mirror image of a descriptor has the same coefficients
with some signs changed: ``MIRROR``.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 256  # longer side of the copy, pixels
MOST = 900  # strongest keypoints per photo
_LOCAL = 12  # standard deviation of the normalisation window, pixels of the copy
UNIT = 160.0  # descriptors of length 1 are stored as int8 of this length: no entry exceeds 0.79


@dataclass(frozen=True)
class Keypoints:
    """The keypoints of one photo, strongest first.

    ``places`` (n, 2) float32, x and y in pixels of a copy with the longer side ``SIDE``;
    ``sizes`` (n,) float32, pixels; ``angles`` (n,) float32, radians; ``packed`` (n, 46) int8,
    descriptors of length ``UNIT``: products divided by its square are cosines.
    """

    places: NDArray[np.float32]
    sizes: NDArray[np.float32]
    angles: NDArray[np.float32]
    packed: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.places)


def find_keypoints(image: NDArray[np.uint8]) -> Keypoints:
    """The keypoints of a photo (height, width, 3) uint8; empty for a uniform surface."""
    return detect(small_copy(image))


def small_copy(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The grey copy of a photo with the longer side ``SIDE``: all that its keypoints depend on."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    scale = SIDE / max(grey.shape)
    size = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return np.asarray(small, np.uint8)


def detect(small: NDArray[np.uint8]) -> Keypoints:
    """The keypoints of a ``small_copy``."""
    # One object per call, because it must not be shared between threads. The cost is negligible.
    sift = cv2.SIFT.create(nfeatures=MOST, contrastThreshold=0.01, edgeThreshold=20)
    found, descriptors = sift.detectAndCompute(_normalised(small), None)
    if descriptors is None:
        return _NONE
    order = sorted(range(len(found)), key=lambda i: -found[i].response)[:MOST]
    # Sort again: OpenCV's order of ties is arbitrary.
    places = np.array([found[i].pt for i in order], np.float32)
    sizes = np.array([found[i].size for i in order], np.float32)
    angles = np.deg2rad(np.array([found[i].angle for i in order], np.float32))
    return Keypoints(places, sizes, angles, _pack(np.asarray(descriptors, np.float32)[order]))


def _normalised(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Normalise to local mean 128 and standard deviation 40, which removes most of a shadow."""
    values = grey.astype(np.float32)
    values -= cv2.GaussianBlur(values, (0, 0), _LOCAL)
    spread = np.sqrt(cv2.GaussianBlur(values * values, (0, 0), _LOCAL))
    values *= 40 / (spread + 4)  # 4: limits the amplification of noise on a uniform surface
    return np.asarray(np.clip(values + 128, 0, 255), np.uint8)


def _pack(sift: NDArray[np.float32]) -> NDArray[np.int8]:
    """Convert SIFT descriptors (n, 128) to (n, 46) int8, from their square roots.

    Square roots turn the Euclidean into the Hellinger distance, which is better for histograms
    (Arandjelovic and Zisserman, "Three things everyone should know to improve object retrieval",
    2012).
    """
    roots = np.sqrt(sift / np.maximum(sift.sum(axis=1, keepdims=True), 1e-9))
    low = roots @ _AXES.T
    low /= np.maximum(np.linalg.norm(low, axis=1, keepdims=True), 1e-9)
    return np.rint(np.clip(low * UNIT, -127, 127)).astype(np.int8)


def _make_axes() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The kept axes (46, 128), and the sign (46,) of each under a mirror.

    The dimensions of OpenCV's descriptor are: cells across the direction of the keypoint, cells
    along it, directions. A mirror along that direction reverses the first and changes the sense
    of the third.
    """
    cells, turns = np.arange(4) + 0.5, np.arange(8) * (2 * np.pi / 8)
    axes, signs = [], []
    for across in range(3):
        for along in range(4):
            for around in range(4):
                if across + along + around > 4 or across == along == around == 0:
                    continue
                for wave, sign in ((np.cos, 1), (np.sin, -1))[: 2 if around else 1]:
                    axis = np.einsum(
                        "i,j,k->ijk",
                        np.cos(np.pi * across * cells / 4),
                        np.cos(np.pi * along * cells / 4),
                        wave(around * turns),
                    ).ravel()
                    axes.append(axis / np.linalg.norm(axis))
                    signs.append(sign * (-1) ** across)
    return np.array(axes, np.float32), np.array(signs, np.float32)


_AXES, MIRROR = _make_axes()
_NONE = Keypoints(
    np.zeros((0, 2), np.float32),
    np.zeros(0, np.float32),
    np.zeros(0, np.float32),
    np.zeros((0, len(MIRROR)), np.int8),
)
