"""Rules for parts on simulated scores of four cameras, by how much the cameras differ.

    python benchmarks/view_rules.py [--draws 5]

The log-odds of good parts are normal in each camera; one camera in four sees a defect, which adds
3. ``equal``: mean -2 and deviation 0.7 in all cameras. ``offset``: means -2, -1.5, -3 and -0.5.
``differ``: these means, and deviations 0.4, 0.6, 0.5 and 1.5. Printed: the AUC over 1,000 other
parts, as a mean over draws of the parts to learn from.
"""

import argparse

import numpy as np
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from fastdefect.evaluation.by_part import Shown, part_predictions
from fastdefect.evaluation.decisions.stacking import learn_stacking
from fastdefect.evaluation.predictions import Predictions
from fastdefect.inference.stacking import ReadyRule

CAMERAS = {
    "equal": ((-2.0,) * 4, (0.7,) * 4),
    "offset": ((-2.0, -1.5, -3.0, -0.5), (0.7,) * 4),
    "differ": ((-2.0, -1.5, -3.0, -0.5), (0.4, 0.6, 0.5, 1.5)),
}
Drawn = tuple[Predictions, Shown]


def draw(rng: np.random.Generator, n: int, cameras: str) -> Drawn:
    """Photos of n parts by four cameras; every other part is defective."""
    means, deviations = map(np.array, CAMERAS[cameras])
    defective = np.arange(n) % 2 == 0
    odds = means + deviations * rng.standard_normal((n, 4))
    odds[np.arange(n), rng.integers(0, 4, n)] += 3 * defective
    score = expit(odds.ravel())
    parts = tuple(str(part) for part in range(n) for _ in range(4))
    said = Predictions(
        tuple(map(str, range(4 * n))),
        ("defect", "good"),
        ("good",),
        np.where(defective.repeat(4), 0, 1),
        np.stack([score, 1 - score], axis=1),
    )
    return said, Shown(parts, (True,) * (4 * n), tuple("abcd") * n)


def auc(drawn: Drawn, rule: ReadyRule) -> float:
    """How well a rule ranks the parts."""
    said, shown = drawn
    found = part_predictions(said, shown.parts, rule, shown.views)
    return float(roc_auc_score(found.y_true == 0, found.y_prob[:, 0]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=5)
    draws = parser.parse_args().draws
    print("cameras  parts  worst   mean  noisy-or  stacking")
    for cameras in CAMERAS:
        for parts in (60, 100, 300):
            found = []
            for seed in range(draws):
                rng = np.random.default_rng((seed, parts))
                learned = learn_stacking(*draw(rng, parts, cameras)).rule
                line = draw(rng, 1000, cameras)
                rules: tuple[ReadyRule, ...] = ("worst", "mean", "noisy-or", learned)
                found.append([auc(line, rule) for rule in rules])
            worst, mean, noisy_or, stacking = np.mean(found, axis=0)
            row = f"{worst:6.3f} {mean:6.3f} {noisy_or:9.3f} {stacking:9.3f}"
            print(f"{cameras:7} {parts:6} {row}", flush=True)


if __name__ == "__main__":
    main()
