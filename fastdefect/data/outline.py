"""Which pixels of a photo show the part, if it lies before a background of another colour."""

import cv2
import numpy as np

from fastdefect.aliases import Floats32, Mask, Pixels

_RING = 0.05  # of the side: what is seen as background
_SMALLEST, _LARGEST = 0.05, 0.9  # share of the photo; beyond, the outline is unclear
_CUT = 5  # iterations of the segmentation


def part_of(photo: Pixels) -> Mask | None:
    """Where the part is in ``photo`` (h, w, 3), with its holes filled; None if unclear.

    Colours of the border are background, those of the middle are part, and a graph cut separates
    them (Rother et al. 2004, GrabCut). It is unclear if the part then fills the photo or nothing.
    """
    height, width = photo.shape[:2]
    ring = max(2, round(_RING * min(height, width)))
    if min(height, width) <= 4 * ring:
        return None  # it has a border only
    labels = np.full(photo.shape[:2], cv2.GC_PR_FGD, np.uint8)
    likely = np.ones_like(labels, bool)
    likely[2 * ring : -2 * ring, 2 * ring : -2 * ring] = False
    labels[likely] = cv2.GC_PR_BGD
    for edge in (slice(0, ring), slice(-ring, None)):
        labels[edge] = cv2.GC_BGD
        labels[:, edge] = cv2.GC_BGD
    if (photo[labels == cv2.GC_BGD].std(axis=0) < 1e-6).all() and photo.std() < 1e-6:
        return None  # one colour
    background, part = np.zeros((1, 65)), np.zeros((1, 65))  # the mixtures of both colours
    cv2.setRNGSeed(0)  # the clusters of the colours begin at random
    whole = (0, 0, width, height)  # not used with a mask
    cv2.grabCut(photo, labels, whole, background, part, _CUT, cv2.GC_INIT_WITH_MASK)
    found = _filled(np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)))
    return found if _SMALLEST <= found.mean() <= _LARGEST else None


def _filled(mask: Mask) -> Mask:
    """The largest piece of ``mask``, without holes."""
    edges, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros(mask.shape, np.uint8)
    if edges:
        largest = max(edges, key=cv2.contourArea)
        cv2.drawContours(filled, [largest], -1, 1, cv2.FILLED)
    return filled.astype(bool)


def share_on(raw: Floats32, part: Mask) -> float | None:
    """The share of the evidence (h, w) that is on the part; None without evidence."""
    total = float(raw.sum())
    return float(raw[part].sum()) / total if total > 0 else None
