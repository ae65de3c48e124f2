"""Search for photos of the same part: evidence for pairs, and groups from this evidence."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
from numpy.typing import NDArray

from fastdefect.data.parts.candidates import Shortlist, shortlists
from fastdefect.data.parts.keypoints import Keypoints
from fastdefect.data.parts.matching import VERIFIED, Resemblance, evidence, resemblances
from fastdefect.process import finished_in_order, one_thread_each

OnStage = Callable[[str, int, int], None]  # the name of a stage, photos done and their number

_STRONG = 3.0  # evidence that rarely occurs by chance
_USUAL = 0.5  # share of photos with a strong partner from which the fitted evidence holds
_SURE = 5.0  # limit of the evidence of a single pair, either way
_ABSENT = -2.5  # a pair that was not compared although there was capacity for it
_REPRESENTATIVES = 2  # photos of a group that search again, outside their group
_DISPLACING = 5  # photos of a group that displace other photos of the part from the shortlists
_AGAIN = 4.0  # additional evidence required to join groups instead of photos
_COPY = 0.15  # share of keypoints at the same position (JPEG 30: 0.21; another pose: 0.02)


@dataclass(frozen=True)
class Link:
    """Two photos that appear to show the same part: indices, the smaller first.

    ``evidence`` is the log odds for that, as fitted to rendered parts. ``mirrored``: one photo is
    a mirror image. ``copy``: both are the same shot, recompressed or resized.
    """

    one: int
    other: int
    evidence: float
    mirrored: bool
    copy: bool


@dataclass(frozen=True)
class SameParts:
    """``group`` is the part number of every photo; ``links`` join the photos of one group."""

    group: tuple[int, ...]
    links: tuple[Link, ...]


def find_same_parts(
    photos: Sequence[Keypoints],
    on_progress: OnStage | None = None,
    *,
    threads: int | None = None,
) -> SameParts:
    """Group the photos of the same part, for any rotation, mirror, position, scale and light.

    There are two rounds. Copies and similar views of one shot displace other shots of the part
    from the shortlists. In the second round, a few representatives of each group therefore search
    again outside their group, if it is large enough to displace others. This round requires more
    evidence, because groups can also share a mark on the background.

    ``photos`` should be different files; pass only one of several identical files. They may be read
    from the disk when they are asked for. ``on_progress(stage, done, total)`` counts the photos of
    each of the three stages. The result is the same for any number of ``threads``; by default
    there is one for each core. The run time is about 40 ms per photo and core.
    """
    n = len(photos)
    alone = list(range(n))
    work = _Work(photos, threads or min(8, os.cpu_count() or 1), on_progress)
    # One BLAS thread each: many small products do not benefit from more threads.
    with one_thread_each():
        listed = dict(enumerate(work.list_similar()))
        found = work.compare("comparing photos", listed, alone)
        links = _weigh(found.values())
        prior = _prior_offset(links, n)
        links = _weigh(found.values(), prior)
        group = _merge_groups(links, alone, alone, {i for i in found if _has_capacity(found[i])})
        sizes = Counter(group)
        chosen = _representatives(group)
        displaced = [i for i in chosen if sizes[group[i]] >= _DISPLACING]
        numbers = np.array(group)
        others = {i: _without(listed[i], numbers, group[i]) for i in displaced}
        found |= work.compare("comparing groups", others, displaced)
    outside = ([r for r in found[i] if group[r.one] != group[r.other]] for i in chosen)
    again = _weigh(outside, prior - _AGAIN)
    shown = sorted({*chosen, *(i for i in alone if sizes[group[i]] == 1)})
    group = _merge_groups(again, group, shown, {i for i in shown if _has_capacity(found[i])})
    inside = [
        link
        for link in {**links, **again}.values()
        if group[link.one] == group[link.other] and link.evidence > 0
    ]
    inside.sort(key=lambda link: (-link.evidence, link.one, link.other))
    return SameParts(tuple(group), tuple(inside))


def _prior_offset(links: dict[tuple[int, int], Link], n: int) -> float:
    """The change of the evidence of every pair, 0 or less.

    The constants were fitted where every part has several photos. If few photos have a strong
    partner, repeats are rare and weak evidence is mostly chance. The log odds then decrease with
    the share of photos that have such a partner (an empirical Bayes prior).
    """
    strong = [link for link in links.values() if link.evidence > _STRONG]
    partnered = {i for link in strong for i in (link.one, link.other)}
    share = max(len(partnered), 1) / max(n, 1)
    return min(0.0, float(np.log(share / _USUAL)))


@dataclass(frozen=True)
class _Work:
    """What all stages share: the photos, the number of threads, and the listener."""

    photos: Sequence[Keypoints]
    threads: int
    on_progress: OnStage | None

    def list_similar(self) -> list[Shortlist]:
        """The shortlist of every photo."""
        return shortlists(
            self.photos, threads=self.threads, on_progress=self._progress("listing similar photos")
        )

    def compare(
        self, stage: str, listed: Mapping[int, Shortlist], chosen: Sequence[int]
    ) -> dict[int, list[Resemblance]]:
        """The resemblances of each chosen photo to the photos of its shortlist."""
        on_progress = self._progress(stage)
        found: dict[int, list[Resemblance]] = {}
        with finished_in_order(
            lambda i: resemblances(self.photos, i, listed[i]), chosen, self.threads
        ) as results:
            for i, result in zip(chosen, results, strict=True):
                found[i] = result
                if on_progress is not None:
                    on_progress(len(found), len(chosen))
        return found

    def _progress(self, stage: str) -> Callable[[int, int], None] | None:
        on_progress = self.on_progress
        return None if on_progress is None else partial(on_progress, stage)


def _representatives(group: Sequence[int]) -> list[int]:
    """Up to ``_REPRESENTATIVES`` photos of each group of several photos, evenly spaced."""
    members: dict[int, list[int]] = {}
    for i, number in enumerate(group):
        members.setdefault(number, []).append(i)
    chosen = []
    for photos in members.values():
        if len(photos) > 1:
            step = max(1, len(photos) // _REPRESENTATIVES)
            chosen += photos[::step][:_REPRESENTATIVES]
    return sorted(chosen)


def _without(listed: Shortlist, group: NDArray[np.int64], own: int) -> Shortlist:
    """The shortlist without the photos of group ``own``; ``group`` (n,) is that of every photo."""
    return Shortlist(
        listed.plain[group[listed.plain] != own], listed.mirrored[group[listed.mirrored] != own]
    )


def _weigh(
    found: Iterable[Sequence[Resemblance]], offset: float = 0.0
) -> dict[tuple[int, int], Link]:
    """The evidence for each compared pair, plain or mirrored, whichever is stronger."""
    seen: dict[tuple[int, int, bool], list[Resemblance]] = {}
    for of_one in found:
        for r in of_one:
            pair = (min(r.one, r.other), max(r.one, r.other), r.mirrored)
            seen.setdefault(pair, []).append(r)
    links: dict[tuple[int, int], Link] = {}
    for (one, other, mirrored), both in seen.items():
        copy = max(r.copied for r in both) > _COPY
        link = Link(one, other, evidence(both) + offset, mirrored, copy)
        known = links.get((one, other))
        if known is None or link.evidence > known.evidence:
            links[one, other] = link
    return links


def _has_capacity(of_one: Sequence[Resemblance]) -> bool:
    """Whether the list of a photo had capacity left, so that absent photos are dissimilar."""
    return len(of_one) < VERIFIED or min(evidence([r]) for r in of_one) < 0


def _merge_groups(
    links: dict[tuple[int, int], Link],
    group: Sequence[int],
    shown: Sequence[int],
    capacity: set[int],
) -> list[int]:
    """Merge groups along pairs, strongest first, if the evidence of both groups supports it.

    Two groups merge if the mean evidence over all pairs of their ``shown`` photos is positive
    (average linkage), so that one false link cannot join two parts of several photos. A pair that
    was not compared counts against the merge if either photo had ``capacity`` for it.
    """
    group = list(group)
    members: dict[int, list[int]] = {}
    for i, number in enumerate(group):
        members.setdefault(number, []).append(i)
    representatives: dict[int, list[int]] = {number: [] for number in members}
    for i in shown:
        representatives[group[i]].append(i)

    def known(a: int, b: int) -> float:
        link = links.get((min(a, b), max(a, b)))
        if link is not None:
            return max(-_SURE, min(_SURE, link.evidence))
        return _ABSENT if a in capacity or b in capacity else 0.0

    for link in sorted(links.values(), key=lambda k: (-k.evidence, k.one, k.other)):
        one, other = group[link.one], group[link.other]
        if link.evidence <= 0:
            break
        pairs = product(representatives[one], representatives[other])
        if one != other and sum(known(a, b) for a, b in pairs) > 0:
            for photo in members[other]:
                group[photo] = one
            members[one] += members.pop(other)
            representatives[one] += representatives.pop(other)
    return group
