"""Photos of discs, or of surfaces, in which one aspect may reveal the class."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdefect.data.audit.appearance import Appearance, measure_appearance
from fastdefect.data.audit.shortcuts import Probe, probe_shortcuts, shortcut_findings
from fastdefect.data.photos import Photo
from helpers.manifests import FACTS


class Scene:
    """Photos of 40 parts, two of each: a disc on a background. No other property reveals the class.

    Good and bad differ by a spot in the middle of the disc, as they should.
    """

    classes = ("bad", "good")

    def __init__(self, parts: int = 40, seed: int = 0, surface: bool = False) -> None:
        rng = np.random.default_rng(seed)
        self.parts = [f"p{i // 2}" for i in range(2 * parts)]
        self.bad = np.repeat(rng.permutation(parts) < parts // 2, 2)
        self.images = [_surface(rng) if surface else _disc(rng, bad) for bad in self.bad]
        serial = rng.permutation(9000)[: 2 * parts] + 1000
        self.photos = [
            Photo(
                f"photos/img_{serial[i]}.png",
                Path("/data"),
                "bad" if bad else "good",
                self.parts[i],
                None,
                f"sha {i}",
                64,
                64,
                i,
                replace(FACTS, size=int(rng.integers(900, 1100))),
            )
            for i, bad in enumerate(self.bad)
        ]

    def change(self, **values: Callable[[bool, int], Any]) -> "Scene":
        """With other facts; each is a function of whether the photo is bad and of its index."""
        own = {name for name in values if name in Photo.__dataclass_fields__}
        for i, photo in enumerate(self.photos):
            said = {name: of(bool(self.bad[i]), i) for name, of in values.items()}
            facts = {name: value for name, value in said.items() if name not in own}
            changed = {name: value for name, value in said.items() if name in own}
            self.photos[i] = replace(photo, facts=replace(photo.facts, **facts), **changed)
        return self

    @property
    def looks(self) -> list[Appearance]:
        return [measure_appearance(image) for image in self.images]

    def probes(self, seed: int = 0) -> dict[str, Probe]:
        found = probe_shortcuts(self.photos, self.looks, self.parts, self.classes, seed=seed)
        return {probe.name: probe for probe in found}

    def findings(self) -> dict[str, str]:
        """The severity by the probe that a finding is about."""
        probes = self.probes()
        found = shortcut_findings([*probes.values()], self.photos)
        assert all(finding.kind == "shortcut" for finding in found)
        names = {f"from {probe.what} alone": name for name, probe in probes.items()}
        return {
            next(names[what] for what in names if what in finding.message): finding.severity
            for finding in found
        }


def _disc(rng: np.random.Generator, bad: bool) -> NDArray[np.uint8]:
    y, x = np.mgrid[-1:1:64j, -1:1:64j] + rng.normal(0, 0.03, 2)[:, None, None]
    away = np.hypot(y, x)
    luma = np.full((64, 64), rng.normal(120, 8))
    luma[away < 0.7] = rng.normal(180, 8)
    luma[away < 0.3] = 60
    if bad:
        luma[30:34, 44:48] = 20
    noisy = luma + rng.normal(0, 4, luma.shape)
    return np.repeat(noisy.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


def _surface(rng: np.random.Generator) -> NDArray[np.uint8]:
    luma = rng.normal(120, 8) + rng.normal(0, 12, (64, 64))
    return np.repeat(luma.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


# ---- what is said ------------------------------------------------------------------------


def probe(auc: float, low: float, excess: float = 9.0, **other: Any) -> Probe:
    base = Probe(
        "border", "the outer ring", auc, (low, 0.99), 0.5, (0.42, 0.58), excess, 0.01, False, 90, 30
    )
    return replace(base, **other)
