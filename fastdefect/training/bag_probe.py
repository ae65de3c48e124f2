"""A linear probe for photos in tiles: the labels are those of photos, the features those of tiles.

All tiles of a good photo are good. Of a defective photo one tile is taken, first the one that is
least like the good tiles, then the one that the classifier finds worst, until these tiles stay the
same (mi-SVM: Andrews et al. 2003, "Support vector machines for multiple-instance learning"). The
worst of many good tiles looks worse than a usual one, so that at the end the evidence is scaled to
the labels of photos (Platt 1999).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from fastdefect.aliases import Floats, Floats32
from fastdefect.data.store import PhotoStore
from fastdefect.good import Good, is_good
from fastdefect.training.probe import STRENGTHS, Labels, Probe, log_loss, make_folds, solve
from fastdefect.training.tiled import pool

_ROUNDS = 8
_MOST_GOOD = 2000  # good tiles that are used, drawn at random; and the worst of each good photo
_NEAREST = 3


@dataclass(frozen=True)
class Tiles:
    """The tiles of n photos that are not empty: rows in ``PhotoStore.cells``, photo by photo.

    ``photo`` (m,) is the index of the photo of each tile, ``place`` (m,) its place in the photo,
    and ``most`` the number of places.
    """

    rows: NDArray[np.int64]
    photo: NDArray[np.int64]
    place: NDArray[np.int64]
    most: int

    @classmethod
    def of(
        cls, store: PhotoStore, rows: Sequence[int], kept: NDArray[np.bool_] | None = None
    ) -> "Tiles":
        """The tiles of the photos in ``rows`` of ``store``; ``kept`` (n, tiles) limits them."""
        frame = store.frame
        if frame.tiles == 1:
            each = np.arange(len(rows))
            return cls(np.asarray(rows), each, np.zeros(len(rows), np.int64), 1)
        filled = np.stack([frame.filled(store[row]) for row in rows])
        filled[~filled.any(axis=1)] = True  # a photo without any content
        if kept is not None:
            limited = filled & kept
            filled = np.where(limited.any(axis=1, keepdims=True), limited, filled)
        photo, place = np.nonzero(filled)
        return cls(np.asarray(rows)[photo] * frame.tiles + place, photo, place, frame.tiles)

    def only(self, photos: Labels) -> tuple["Tiles", NDArray[np.bool_]]:
        """The tiles of the ``photos``, numbered anew in this order, and which tiles these are."""
        number = np.full(int(self.photo.max()) + 1, -1)
        number[photos] = np.arange(len(photos))
        mine = number[self.photo] >= 0
        of = replace(
            self, rows=self.rows[mine], photo=number[self.photo[mine]], place=self.place[mine]
        )
        return of, mine

    def pooled(self, logits: Floats, good: Good) -> Floats:
        """The logits (n, n_classes) of photos from those of their tiles (m, n_classes)."""
        n = int(self.photo.max()) + 1
        placed = np.zeros((n, self.most, logits.shape[1]))
        empty = np.ones((n, self.most), bool)
        placed[self.photo, self.place] = logits
        empty[self.photo, self.place] = False
        found = pool(torch.from_numpy(placed), torch.from_numpy(empty), good)
        return np.asarray(found.numpy())


def fit_bag_probe(
    copies: Sequence[Floats32],
    tiles: Tiles,
    labels: Labels,
    parts: Sequence[str],
    good: Good,
    *,
    seed: int,
) -> Probe:
    """Fit a linear classifier of tiles to the labels of photos.

    ``copies`` hold features (m, n_features) of ``tiles``: the original ones first, then augmented
    ones, if any. ``labels`` (n,) and ``parts`` are those of the photos. The strength is chosen by
    the out-of-fold log loss of photos, in folds of whole parts.
    """
    folds = make_folds(labels, parts, seed)
    if folds is None:
        weight, bias = _solve(copies, tiles, labels, good, STRENGTHS[-1], seed)
        logits = tiles.pooled(copies[0] @ weight.T + bias, good)
        return Probe(*_scaled(weight, bias, logits, labels, good), STRENGTHS[-1], None)
    best: tuple[float, float, Floats] | None = None
    n_classes = int(labels.max()) + 1
    for strength in STRENGTHS:
        held_out = np.zeros((len(labels), n_classes))
        for learned, others in folds:
            own, mine = tiles.only(learned)
            some = [copy[mine] for copy in copies]
            weight, bias = _solve(some, own, labels[learned], good, strength, seed)
            theirs, out = tiles.only(others)
            held_out[others] = theirs.pooled(copies[0][out] @ weight.T + bias, good)
        y_prob = _softmax(_shifted(held_out, *_platt(held_out, labels, good), good))
        loss = log_loss(labels, y_prob)
        if best is None or loss < best[0]:
            best = loss, strength, held_out
    assert best is not None
    _, strength, held_out = best
    weight, bias = _solve(copies, tiles, labels, good, strength, seed)
    y_prob = _softmax(_shifted(held_out, *_platt(held_out, labels, good), good))
    return Probe(*_scaled(weight, bias, held_out, labels, good), strength, y_prob)


def _solve(
    copies: Sequence[Floats32], tiles: Tiles, labels: Labels, good: Good, strength: float, seed: int
) -> tuple[Floats, Floats]:
    """Weight (n_classes, n_features) and bias (n_classes,) of tiles, without scaling."""
    of_tile = labels[tiles.photo]
    sound = np.isin(of_tile, good)
    if sound.all() or not sound.any():  # no good photos: each tile has the class of its photo
        return solve(np.concatenate(copies), np.tile(of_tile, len(copies)), strength)
    rng = np.random.default_rng(seed)
    drawn = rng.permutation(np.flatnonzero(sound))[:_MOST_GOOD]
    score = np.zeros(len(of_tile))
    score[~sound] = _unlike(copies[0][~sound], copies[0][drawn])
    chosen: NDArray[np.int64] = np.zeros(0, np.int64)
    for _ in range(_ROUNDS):
        worst = _worst_of_each(score, tiles.photo)
        # Before the first round nothing is known of the good tiles.
        hard = worst[sound[worst]] if len(chosen) else worst[:0]
        now = np.unique(np.concatenate([drawn, worst[~sound[worst]], hard]))
        if np.array_equal(now, chosen):
            break
        chosen = now
        features = np.concatenate([copy[chosen] for copy in copies])
        weight, bias = solve(features, np.tile(of_tile[chosen], len(copies)), strength)
        score = _evidence(copies[0] @ weight.T + bias, of_tile, good)
    return weight, bias


def _evidence(logits: Floats, of_tile: Labels, good: Good) -> Floats:
    """(m,): that of the class of its photo against good, or of any defect in a good photo."""
    relative = logits - np.logaddexp.reduce(logits[:, list(good)], axis=1)[:, None]
    relative[:, list(good)] = -np.inf
    own = relative[np.arange(len(of_tile)), of_tile]
    return np.asarray(np.where(np.isin(of_tile, good), relative.max(axis=1), own))


def _unlike(features: Floats32, known: Floats32) -> Floats:
    """(m,) mean distance of features, scaled to length 1, to the nearest of ``known``."""
    one, other = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (features, known))
    nearest = min(_NEAREST, len(known))
    likeness = np.partition(one @ other.T, -nearest, axis=1)[:, -nearest:]
    return np.asarray(np.sqrt(np.clip(2 - 2 * likeness, 0, None)).mean(axis=1))


def _worst_of_each(score: Floats, photo: Labels) -> NDArray[np.int64]:
    """The tile of each photo with the highest score."""
    order = np.lexsort((score, photo))
    last = np.append(np.diff(photo[order]) != 0, True)
    return np.asarray(order[last])


def _platt(logits: Floats, labels: Labels, good: Good) -> tuple[float, float]:
    """Factor and shift of the evidence for a defect that fit the labels of photos best."""
    defects = [index for index in range(logits.shape[1]) if index not in good]
    if not good or not defects:
        return 1.0, 0.0
    evidence = np.logaddexp.reduce(logits[:, defects], axis=1) - np.logaddexp.reduce(
        logits[:, list(good)], axis=1
    )
    spread = float(evidence.std()) or 1.0
    fitted = LogisticRegression().fit(evidence[:, None] / spread, ~is_good(labels, good))
    factor = float(fitted.coef_[0, 0]) / spread
    return (factor, float(fitted.intercept_[0])) if factor > 0 else (1.0, 0.0)


def _shifted(logits: Floats, factor: float, shift: float, good: Good) -> Floats:
    moved = factor * logits
    moved[:, [index for index in range(logits.shape[1]) if index not in good]] += shift
    return moved


def _scaled(
    weight: Floats, bias: Floats, logits: Floats, labels: Labels, good: Good
) -> tuple[Floats, Floats]:
    """The classifier with its evidence scaled to the ``labels`` of the pooled ``logits``."""
    factor, shift = _platt(logits, labels, good)
    return factor * weight, _shifted(bias[None], factor, shift, good)[0]


def _softmax(logits: Floats) -> Floats:
    return np.asarray(np.exp(logits - np.logaddexp.reduce(logits, axis=1)[:, None]))
