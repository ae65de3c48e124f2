"""How strongly two photos seem to show one individual, and not only one design.

All good castings look alike, so that many keypoints of any two photos match. What counts is
what a photo shares with one other and *not* with the rest: each match is worth how much better
it is than the ``_RIVAL``-th best photo's for the same keypoint (local naive Bayes nearest
neighbour: S. McCann and D. Lowe, CVPR 2012; the background distance is theirs). Then one
transform, affine and so free to turn, flip, shift, scale and tilt, must explain the matches;
it is proposed by single matches, whose sizes and angles give a whole transform, and refined
(Philbin et al., "Object retrieval with large vocabularies and fast spatial matching", 2007).
Nothing is drawn at random.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastdefect.aliases import Floats
from fastdefect.data.parts.candidates import Shortlist
from fastdefect.data.parts.keypoints import MIRROR, SIDE, Keypoints

_RIVAL = 4  # a match is measured against the fifth best photo's
_GLANCED = 250  # keypoints that choose, of a shortlist, the photos to be looked at with all
_LOOKED_AT = 12
VERIFIED = 8  # of these, photos whose geometry is looked at
_HYPOTHESES, _REFINED = 40, 3
_ROUGH, _FINE = 14.0, 5.0  # pixels of the copies: tolerances before and after refining
_STILL = 2.5  # pixels that the transform moves a corner of what may be a copy of the same shot
_LEAST_SCALE, _MOST_SCALE, _MOST_STRETCH = 0.45, 2.2, 1.7

Floats32 = NDArray[np.float32]


@dataclass(frozen=True)
class Resemblance:
    """What one photo finds of itself in another.

    ``worth`` sums the worth of all matches, ``aligned`` of those that one transform explains,
    of which there are ``count``. ``copied`` is the share of keypoints that lie where they
    would in a copy of the same shot, recompressed or resized.
    """

    one: int
    other: int
    mirrored: bool
    worth: float
    aligned: float
    count: int
    copied: float


def resemblances(photos: Sequence[Keypoints], own: int, listed: Shortlist) -> list[Resemblance]:
    """What photo ``own`` finds of itself in the most promising of its shortlist."""
    mine = photos[own]
    others = [(int(i), False) for i in listed.plain] + [(int(i), True) for i in listed.mirrored]
    others = [(i, mirrored) for i, mirrored in others if len(photos[i])]
    if len(mine) < 4 or not others:
        return []
    glance = _worths(_best(mine, photos, others, _GLANCED)[0]).sum(axis=0)
    others = [others[k] for k in np.argsort(-glance, kind="stable")[:_LOOKED_AT]]
    best, partners = _best(mine, photos, others, len(mine))
    worths = _worths(best)
    totals = worths.sum(axis=0)
    descriptors = mine.descriptors()
    found = []
    for column in np.argsort(-totals, kind="stable")[:VERIFIED]:
        i, mirrored = others[column]
        matched = np.flatnonzero(worths[:, column] > 0)
        partner, worth = partners[matched, column], worths[matched, column]
        inside, moved = _align(mine, photos[i], matched, partner, worth, mirrored)
        found.append(
            Resemblance(
                own,
                i,
                mirrored,
                float(totals[column]),
                float(worth[inside].sum()),
                int(inside.sum()),
                0.0 if mirrored or moved > _STILL else _copied(mine, photos[i], descriptors),
            )
        )
    return found


def _best(
    mine: Keypoints, photos: Sequence[Keypoints], others: Sequence[tuple[int, bool]], most: int
) -> tuple[Floats32, NDArray[np.intp]]:
    """How well the ``most`` strongest keypoints fit the best one of each other, and which it is.

    Both (most, others).
    """
    descriptors = mine.descriptors()[:most]
    each = np.arange(len(descriptors))
    best = np.empty((len(descriptors), len(others)), np.float32)
    partners = np.empty(best.shape, np.intp)
    for column, (i, mirrored) in enumerate(others):
        products = descriptors @ _theirs(photos[i], mirrored)[: 2 * most].T
        partners[:, column] = products.argmax(axis=1)
        best[:, column] = products[each, partners[:, column]]
    return best, partners


def _theirs(photo: Keypoints, mirrored: bool) -> Floats32:
    return photo.descriptors() * MIRROR if mirrored else photo.descriptors()


def _worths(best: Floats32) -> Floats32:
    """How much better than the rivals each keypoint fits each photo, 0 to 1."""
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
) -> tuple[NDArray[np.bool_], float]:
    """Which of the matches ``i`` to ``j`` the transform explains that explains the most worth.

    Beside them, how far that transform moves the corner that it moves most, in pixels.
    """
    if len(i) < 4:
        return np.zeros(len(i), bool), np.inf
    source, target = one.places[i], other.places[j]
    tried = np.argsort(-worth, kind="stable")[:_HYPOTHESES]
    linear = _similarities(one, other, i[tried], j[tried], mirrored)
    scale = other.sizes[j[tried]] / one.sizes[i[tried]]
    # Written out: einsum takes several times as long for matrices this small.
    x, y = source[None, :, :1], source[None, :, 1:]
    moved = x * linear[:, None, :, 0] + y * linear[:, None, :, 1]
    moved += (target[tried] - moved[np.arange(len(tried)), tried])[:, None]
    close = ((moved - target) ** 2).sum(axis=2) < _ROUGH**2
    close[(scale < _LEAST_SCALE) | (scale > _MOST_SCALE)] = False
    hopeful = np.argsort(-(close @ worth), kind="stable")[:_REFINED]
    inside, moved_by = _refine(source, target, worth, close[hopeful])
    explained = inside @ worth
    best = int(explained.argmax())
    if not explained[best] > 0:
        return np.zeros(len(i), bool), np.inf
    return inside[best], float(moved_by[best])


def _similarities(
    one: Keypoints, other: Keypoints, i: NDArray[np.intp], j: NDArray[np.intp], mirrored: bool
) -> Floats32:
    """The turn and scale (n, 2, 2) that lay each keypoint ``i`` over its partner ``j``."""
    hand = -1 if mirrored else 1
    turn = other.angles[j] - hand * one.angles[i]
    scale = other.sizes[j] / one.sizes[i]
    c, s = scale * np.cos(turn), scale * np.sin(turn)
    return np.stack([np.stack([c, -hand * s], -1), np.stack([s, hand * c], -1)], -2)


def _refine(
    source: Floats32, target: Floats32, worth: Floats32, inside: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], Floats]:
    """Matches (h, n) that affine transforms explain, fitted to ``inside`` and then to their own.

    Each of the h rows is a transform of its own. Beside them, (h,), how far each moves the
    corner that it moves most; where a transform is unlikely, nothing is inside and that is inf.
    """
    middle = SIDE / 2  # of numbers around zero, so that the normal equations are well posed
    padded = np.concatenate([source - middle, np.ones((len(source), 1))], axis=1)
    aim = (target - middle).astype(np.float64)
    fitted = np.zeros((len(inside), 3, 2))
    for tolerance in (12.0, 8.0, _FINE, _FINE):
        inside = inside & (inside.sum(axis=1) >= 4)[:, None]
        weighted = (inside * (worth + 0.01))[:, None] * padded.T
        # All rows at once; the little on the diagonal keeps points in one line solvable.
        fitted = np.linalg.solve(weighted @ padded + 1e-6 * np.eye(3), weighted @ aim)
        close = ((padded @ fitted - aim) ** 2).sum(axis=2) < tolerance**2
        inside = np.any(inside, axis=1, keepdims=True) & close
    large, small = np.linalg.svd(fitted[:, :2], compute_uv=False).T
    largest = np.minimum(_MOST_SCALE, _MOST_STRETCH * small)
    likely = np.asarray((small >= _LEAST_SCALE) & (large <= largest) & inside.any(axis=1), bool)
    corners = np.array([[-1, -1], [1, -1], [-1, 1], [1, 1]]) * middle
    moved = np.concatenate([corners, np.ones((4, 1))], axis=1) @ fitted - corners
    return inside & likely[:, None], np.where(likely, np.abs(moved).max(axis=(1, 2)), np.inf)


def _copied(one: Keypoints, other: Keypoints, descriptors: Floats32) -> float:
    """The share of keypoints found in the same place, as in a copy of the same shot."""
    apart = np.abs(one.places[:, None] - other.places[None]).max(axis=2)
    similar = np.where(apart < _STILL, descriptors @ other.descriptors().T, 0)
    return float((similar.max(axis=1) > 0.9).mean())
