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

from fastdefect.data.keypoints import MIRROR, SIDE, Keypoints
from fastdefect.data.shortlist import Shortlist

_RIVAL = 4  # a match is measured against the fifth best photo's
_GLANCED = 250  # keypoints that choose, of a shortlist, the photos to be looked at with all
_LOOKED_AT = 12
VERIFIED = 8  # of these, photos whose geometry is looked at
_HYPOTHESES = 40
_ROUGH, _FINE = 14.0, 5.0  # pixels of the copies: tolerances before and after refining
_STILL = 2.5  # pixels that the transform moves a corner of what may be a copy of the same shot
_LEAST_SCALE, _MOST_SCALE, _MOST_STRETCH = 0.45, 2.2, 1.7

Floats = NDArray[np.float32]


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
    glance = _worths(_best(mine, photos, others, _GLANCED)).sum(axis=0)
    others = [others[k] for k in np.argsort(-glance, kind="stable")[:_LOOKED_AT]]
    worths = _worths(_best(mine, photos, others, len(mine)))
    totals = worths.sum(axis=0)
    descriptors = mine.descriptors()
    found = []
    for column in np.argsort(-totals, kind="stable")[:VERIFIED]:
        i, mirrored = others[column]
        matched = np.flatnonzero(worths[:, column] > 0)
        partner = (descriptors[matched] @ _theirs(photos[i], mirrored).T).argmax(axis=1)
        inside, moved = _align(mine, photos[i], matched, partner, worths[matched, column], mirrored)
        found.append(
            Resemblance(
                own,
                i,
                mirrored,
                float(totals[column]),
                float(worths[matched[inside], column].sum()),
                int(inside.sum()),
                0.0 if mirrored or moved > _STILL else _copied(mine, photos[i], descriptors),
            )
        )
    return found


def _best(
    mine: Keypoints, photos: Sequence[Keypoints], others: Sequence[tuple[int, bool]], most: int
) -> Floats:
    """How well the ``most`` strongest keypoints fit the best ones of each other: (most, others)."""
    descriptors = mine.descriptors()[:most].T
    best = np.empty((descriptors.shape[1], len(others)), np.float32)
    for column, (i, mirrored) in enumerate(others):
        theirs = _theirs(photos[i], mirrored)[: 2 * most]
        best[:, column] = (theirs @ descriptors).max(axis=0)
    return best


def _theirs(photo: Keypoints, mirrored: bool) -> Floats:
    return photo.descriptors() * MIRROR if mirrored else photo.descriptors()


def _worths(best: Floats) -> Floats:
    """How much better than the rivals each keypoint fits each photo, 0 to 1."""
    rank = min(_RIVAL, best.shape[1] - 1)
    usual = -np.partition(-best, rank, axis=1)[:, rank : rank + 1]
    return np.asarray(np.maximum(best - usual, 0) / np.maximum(1.02 - usual, 0.02), np.float32)


def _align(
    one: Keypoints,
    other: Keypoints,
    i: NDArray[np.intp],
    j: NDArray[np.intp],
    worth: Floats,
    mirrored: bool,
) -> tuple[NDArray[np.bool_], float]:
    """Which of the matches ``i`` to ``j`` the transform explains that explains the most worth.

    Beside them, how far that transform moves the corner that it moves most, in pixels.
    """
    best: tuple[NDArray[np.bool_], float] = np.zeros(len(i), bool), np.inf
    if len(i) < 4:
        return best
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
    support = close @ worth
    most = 0.0
    for hypothesis in np.argsort(-support, kind="stable")[:3]:
        inside, moved_by = _refine(source, target, worth, close[hypothesis])
        if worth[inside].sum() > most:
            best, most = (inside, moved_by), float(worth[inside].sum())
    return best


def _similarities(
    one: Keypoints, other: Keypoints, i: NDArray[np.intp], j: NDArray[np.intp], mirrored: bool
) -> Floats:
    """The turn and scale (n, 2, 2) that lay each keypoint ``i`` over its partner ``j``."""
    hand = -1 if mirrored else 1
    turn = other.angles[j] - hand * one.angles[i]
    scale = other.sizes[j] / one.sizes[i]
    c, s = scale * np.cos(turn), scale * np.sin(turn)
    return np.stack([np.stack([c, -hand * s], -1), np.stack([s, hand * c], -1)], -2)


def _refine(
    source: Floats, target: Floats, worth: Floats, inside: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], float]:
    """Matches that an affine transform explains, fitted to ``inside`` and then to its own."""
    nothing = np.zeros(len(source), bool)
    padded = np.concatenate([source, np.ones((len(source), 1), np.float32)], axis=1)
    fitted = np.zeros((3, 2), np.float32)
    for tolerance in (12.0, 8.0, _FINE, _FINE):
        if inside.sum() < 4:
            return nothing, np.inf
        weight = np.sqrt(worth[inside] + 0.01)[:, None]
        fitted = np.linalg.lstsq(padded[inside] * weight, target[inside] * weight, rcond=None)[0]
        inside = ((padded @ fitted - target) ** 2).sum(axis=1) < tolerance**2
    large, small = np.linalg.svd(fitted[:2], compute_uv=False)
    if small < _LEAST_SCALE or large > _MOST_SCALE or large > _MOST_STRETCH * small:
        return nothing, np.inf
    corners = np.array([[0, 0, 1], [SIDE, 0, 1], [0, SIDE, 1], [SIDE, SIDE, 1]], np.float32)
    return inside, float(np.abs(corners @ fitted - corners[:, :2]).max())


def _copied(one: Keypoints, other: Keypoints, descriptors: Floats) -> float:
    """The share of keypoints found in the same place, as in a copy of the same shot."""
    apart = np.abs(one.places[:, None] - other.places[None]).max(axis=2)
    similar = np.where(apart < _STILL, descriptors @ other.descriptors().T, 0)
    return float((similar.max(axis=1) > 0.9).mean())
