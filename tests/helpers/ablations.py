"""Figures of an ablation that was never run."""

from collections.abc import Mapping, Sequence


def figures_of(accuracy: Mapping[str, Sequence[float]]) -> dict[str, dict[int, dict[str, float]]]:
    """By step and seed, from 1: half of the accuracy is F1, the gap what is missing to 0.9."""
    return {
        name: {
            seed: {"accuracy": of, "f1": of / 2, "auc": of, "gap": 0.9 - of, "seconds": 20.0}
            for seed, of in enumerate(by_seed, start=1)
        }
        for name, by_seed in accuracy.items()
    }
