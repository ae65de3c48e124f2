"""The evidence that two photos show the same individual, and not only the same design.

All castings of a design look alike, so that many keypoints of any two photos match. Only matches
that a photo shares with one other photo and *not* with the rest are evidence: the score of each
match is its advantage over the ``_RIVAL``-th best photo for the same keypoint (local naive Bayes
nearest neighbour with their background distance: S. McCann and D. Lowe, CVPR 2012). Then one
affine transform (rotation, flip, shift, scale and tilt) must explain the matches. Single matches
propose it, because their sizes and angles define a complete transform; it is then refined
(Philbin et al., "Object retrieval with large vocabularies and fast spatial matching", 2007). The
method is deterministic.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats, Floats32
from fastdefect.data.parts.candidates import Shortlist
from fastdefect.data.parts.keypoints import MIRROR, MOST, SIDE, UNIT, Keypoints

_RIVAL = 4  # a match is compared with the fifth best photo
# Keypoints of the photo and of the others that select the photos of a shortlist for a comparison of
# all keypoints.
_SELECTING = (250, 500)
_COMPARED = 12
VERIFIED = 8  # photos of these with a geometric verification
_HYPOTHESES, _REFINED = 40, 3
_ROUGH, _FINE = 14.0, 5.0  # pixels of the copies: tolerances before and after refinement
_STILL = 2.5  # maximum shift of a corner, in pixels, for a possible copy of the same shot
_RIDGE = 1e-6 * np.eye(3)
_LEAST_SCALE, _MOST_SCALE, _MOST_STRETCH = 0.45, 2.2, 1.7


# Log odds that a pair shows the same part. The weights were fitted to rendered parts with seeds
# that are not used for the reported results (benchmarks/same_part.py).
_CONSTANT = -55.2
_PER_ALIGNED, _PER_COUNT, _PER_WORTH = 3.57, 3.35, 9.06
_PLAUSIBLE = -3.0  # least log odds of a rough alignment that is refined; refined they are lower


@dataclass(frozen=True)
class Resemblance:
    """The evidence of one photo that another one shows the same part.

    ``worth`` is the sum of the scores of all matches, ``aligned`` that of the ``count`` matches
    that one transform explains. ``copied`` is the share of keypoints at the positions expected in
    a recompressed or resized copy of the same shot.
    """

    one: int
    other: int
    mirrored: bool
    worth: float
    aligned: float
    count: int
    copied: float


def log_odds(aligned: float, count: float, worth: float) -> float:
    """Log odds that a pair shows the same part, from the values of a ``Resemblance``."""
    return (
        _CONSTANT
        + _PER_ALIGNED * math.log1p(aligned)
        + _PER_COUNT * math.log1p(count)
        + _PER_WORTH * math.log1p(worth)
    )


def evidence(seen: Sequence[Resemblance]) -> float:
    """Log odds that a pair shows the same part, from the resemblances in both directions."""
    return log_odds(
        max(r.aligned for r in seen), max(r.count for r in seen), max(r.worth for r in seen)
    )


def resemblances(photos: Sequence[Keypoints], own: int, listed: Shortlist) -> list[Resemblance]:
    """The resemblances of photo ``own`` to the best candidates of its shortlist."""
    mine = photos[own]
    both = [(int(i), False) for i in listed.plain] + [(int(i), True) for i in listed.mirrored]
    # Each is taken once, as it may have to be read from the disk.
    taken = {i: photos[i] for i in sorted({i for i, _ in both})}
    others = [_Candidate(i, taken[i], mirrored) for i, mirrored in both if len(taken[i])]
    if len(mine) < 4 or not others:
        return []
    wanted = mine.packed.astype(np.float32)
    first_scores = _worths(_best(wanted[: _SELECTING[0]], others, _SELECTING[1])[0]).sum(axis=0)
    others = [others[k] for k in np.argsort(-first_scores, kind="stable")[:_COMPARED]]
    best, partners = _best(wanted, others, MOST)
    worths = _worths(best)
    totals = worths.sum(axis=0)
    found = []
    for column in np.argsort(-totals, kind="stable")[:VERIFIED]:
        other, mirrored = others[column].photo, others[column].mirrored
        matched = np.flatnonzero(worths[:, column] > 0)
        partner, worth = partners[matched, column], worths[matched, column]
        total = float(totals[column])
        inside, moved = _align(mine, other, matched, partner, worth, mirrored, total)
        found.append(
            Resemblance(
                own,
                others[column].index,
                mirrored,
                total,
                float(worth[inside].sum()),
                int(inside.sum()),
                0.0 if mirrored or moved > _STILL else _copied(mine, other),
            )
        )
    return found


@dataclass(frozen=True)
class _Candidate:
    """A photo of a shortlist: its index and keypoints, and whether it is a mirror image."""

    index: int
    photo: Keypoints
    mirrored: bool


def _best(
    wanted: Floats32, others: Sequence[_Candidate], most: int
) -> tuple[Floats32, NDArray[np.intp]]:
    """The similarity of each keypoint to the best of the ``most`` strongest of each other photo.

    ``wanted`` (n, 46) has the numbers of ``packed``. All products are whole numbers below 2^24, so
    that they are exact in any order of the sums. The second result is the index of the best one;
    both (n, others).
    """
    each = np.arange(len(wanted))
    mirrored = wanted * MIRROR
    best = np.empty((len(wanted), len(others)), np.float32)
    partners = np.empty(best.shape, np.intp)
    for column, other in enumerate(others):
        theirs = other.photo.packed[:most].astype(np.float32)
        products = (mirrored if other.mirrored else wanted) @ theirs.T
        partners[:, column] = products.argmax(axis=1)
        best[:, column] = products[each, partners[:, column]]
    return best / np.float32(UNIT**2), partners


def _worths(best: Floats32) -> Floats32:
    """The advantage of each keypoint's match over its rivals in each photo, 0 to 1."""
    rank = min(_RIVAL, best.shape[1] - 1)
    usual = -np.partition(-best, rank, axis=1)[:, rank : rank + 1]
    return np.asarray(np.maximum(best - usual, 0) / np.maximum(1.02 - usual, 0.02), np.float32)


def _align(
    one: Keypoints,
    other: Keypoints,
    i: NDArray[np.intp],
    j: NDArray[np.intp],
    worth: Floats32,
    mirrored: bool,
    total: float,
) -> tuple[NDArray[np.bool_], float]:
    """Find the transform that explains the highest score; return which matches it explains.

    The matches are from ``i`` to ``j``, and ``total`` is the sum of all scores. The second result
    is the largest shift of a corner under that transform, in pixels.
    """
    none = np.zeros(len(i), bool), np.inf
    if len(i) < 4:
        return none
    source, target = one.places[i], other.places[j]
    tried = np.argsort(-worth, kind="stable")[:_HYPOTHESES]
    linear = _similarities(one, other, i[tried], j[tried], mirrored)
    scale = other.sizes[j[tried]] / one.sizes[i[tried]]
    # Along x and y apart: sums along an axis of length 2 are several times slower, also in einsum.
    x, y = source.T
    off = np.zeros((len(tried), len(i)), np.float32)
    for axis in range(2):
        moved = x * linear[:, axis, :1] + y * linear[:, axis, 1:]
        moved += (target[tried, axis] - moved[np.arange(len(tried)), tried])[:, None]
        off += (moved - target[:, axis]) ** 2
    close = off < _ROUGH**2
    close[(scale < _LEAST_SCALE) | (scale > _MOST_SCALE)] = False
    roughly = close @ worth
    # A transform explains fewer matches after it is refined, with smaller tolerances.
    if log_odds(float(roughly.max()), int(close.sum(axis=1).max()), total) < _PLAUSIBLE:
        return none
    promising = np.argsort(-roughly, kind="stable")[:_REFINED]
    inside, moved_by = _refine(source, target, worth, close[promising])
    explained = inside @ worth
    best = int(explained.argmax())
    if not explained[best] > 0:
        return none
    return inside[best], float(moved_by[best])


def _similarities(
    one: Keypoints, other: Keypoints, i: NDArray[np.intp], j: NDArray[np.intp], mirrored: bool
) -> Floats32:
    """The similarity transforms (n, 2, 2) that map each keypoint ``i`` to its partner ``j``."""
    hand = -1 if mirrored else 1
    turn = other.angles[j] - hand * one.angles[i]
    scale = other.sizes[j] / one.sizes[i]
    c, s = scale * np.cos(turn), scale * np.sin(turn)
    return np.stack([np.stack([c, -hand * s], -1), np.stack([s, hand * c], -1)], -2)


def _refine(
    source: Floats32, target: Floats32, worth: Floats32, inside: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], Floats]:
    """Fit affine transforms to the matches ``inside`` (h, n), then repeatedly to their inliers.

    Each of the h rows has its own transform. The second result (h,) is the largest shift of a
    corner under each transform. An implausible transform has no inliers and the shift inf.
    """
    middle = SIDE / 2  # centred, so that the normal equations are well conditioned
    padded = np.concatenate([source - middle, np.ones((len(source), 1))], axis=1)
    aim = (target - middle).astype(np.float64)
    # The terms of the normal equations of each match, so that one product sums them for all rows.
    both = np.concatenate([padded, aim], axis=1)
    terms = (padded[:, :, None] * both[:, None]).reshape(len(source), 15)
    weights = worth + 0.01
    for tolerance in (12.0, 8.0, _FINE, _FINE):
        inside = inside & (inside.sum(axis=1) >= 4)[:, None]
        sums = ((inside * weights) @ terms).reshape(-1, 3, 5)
        # The small diagonal term keeps collinear points solvable.
        fitted = np.linalg.solve(sums[..., :3] + _RIDGE, sums[..., 3:])
        off = padded @ np.moveaxis(fitted, 0, 1).reshape(3, -1) - np.tile(aim, len(fitted))
        off *= off
        close = tolerance**2 > (off[:, ::2] + off[:, 1::2]).T
        inside = inside.any(axis=1, keepdims=True) & close
    large, small = np.linalg.svd(fitted[:, :2], compute_uv=False).T
    largest = np.minimum(_MOST_SCALE, _MOST_STRETCH * small)
    plausible = np.asarray((small >= _LEAST_SCALE) & (large <= largest) & inside.any(axis=1), bool)
    corners = np.array([[-1, -1], [1, -1], [-1, 1], [1, 1]]) * middle
    moved = np.concatenate([corners, np.ones((4, 1))], axis=1) @ fitted - corners
    return inside & plausible[:, None], np.where(plausible, np.abs(moved).max(axis=(1, 2)), np.inf)


def _copied(one: Keypoints, other: Keypoints) -> float:
    """The share of keypoints at the same position, as in a copy of the same shot."""
    apart = np.abs(one.places[:, None] - other.places[None]).max(axis=2)
    products = one.packed.astype(np.float32) @ other.packed.astype(np.float32).T
    similar = np.where(apart < _STILL, products, 0)
    return float((similar.max(axis=1) > 0.9 * UNIT**2).mean())
