"""Which photos show one part: evidence for pairs, and groups that the evidence agrees on."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from fastdefect.data.parts.candidates import Shortlist, shortlists
from fastdefect.data.parts.keypoints import Keypoints
from fastdefect.data.parts.matching import VERIFIED, Resemblance, resemblances
from fastdefect.process import one_thread_each

# Log odds that a pair shows one part, fitted to rendered parts of seeds that are not reported
# (benchmarks/same_part.py).
_CONSTANT = -55.2
_PER_ALIGNED, _PER_COUNT, _PER_WORTH = 3.57, 3.35, 9.06
_STRONG = 3.0  # evidence that chance alone seldom gives
_USUAL = 0.5  # share of photos with a strong partner from which on the evidence is as fitted
_SURE = 5.0  # no single pair counts for more, either way
_ABSENT = -2.5  # a pair that would have been looked at, had it looked like anything
_SPOKESMEN = 2  # photos of a group that look again, past their own
_AGAIN = 4.0  # evidence that joining groups takes beyond that for joining photos
_COPY = 0.15  # share of keypoints in their old places (JPEG 30: 0.21; another pose: 0.02)


@dataclass(frozen=True)
class Link:
    """Two photos that seem to show one part: indices, the smaller first.

    ``evidence`` is the log odds that they do, as fitted to rendered parts. ``mirrored``: one
    is turned over. ``copy``: they are one shot, recompressed or resized.
    """

    one: int
    other: int
    evidence: float
    mirrored: bool
    copy: bool


@dataclass(frozen=True)
class SameParts:
    """``group`` numbers the part of every photo; ``links`` join the photos of one group."""

    group: tuple[int, ...]
    links: tuple[Link, ...]


def find_same_parts(
    photos: Sequence[Keypoints], on_progress: Callable[[int, int], None] | None = None
) -> SameParts:
    """Group the photos of one part, whatever their turn, hand, place, scale and light.

    In two rounds: the copies and near relatives of one shot crowd out the other shots of a
    part, so that when they are grouped, a few of each group look again at all but their own.
    They must be surer then: what two groups share may also be a mark on the bench.

    ``photos`` should be different files: of identical ones give one. ``on_progress(done,
    total)`` counts photos looked at. Deterministic; takes some 40 ms a photo and core.
    """
    n = len(photos)
    alone = list(range(n))
    # One thread of BLAS each: many small products gain nothing from more, and would wait.
    with one_thread_each():
        listed = shortlists(photos)
        report = _Progress(on_progress, n)
        found = _look(photos, listed, alone, report)
        links = _weigh(found.values())
        doubt = _doubt(links, n)
        links = _weigh(found.values(), doubt)
        group = _agree(links, alone, alone, {i for i in found if _has_room(found[i])})
        chosen = _few_of_each(group)
        report.total += len(chosen)
        others = [_without(listed[i], group, group[i]) for i in range(n)]
        found |= _look(photos, others, chosen, report)
    again = _weigh((found[i] for i in chosen), doubt - _AGAIN)
    sizes = Counter(group)
    shown = sorted({*chosen, *(i for i in alone if sizes[group[i]] == 1)})
    group = _agree(again, group, shown, {i for i in shown if _has_room(found[i])})
    inside = [
        link
        for link in {**links, **again}.values()
        if group[link.one] == group[link.other] and link.evidence > 0
    ]
    inside.sort(key=lambda link: (-link.evidence, link.one, link.other))
    return SameParts(tuple(group), tuple(inside))


def _doubt(links: dict[tuple[int, int], Link], n: int) -> float:
    """What the evidence for every pair is to be changed by, 0 or less.

    The constants were fitted where every part was photographed more than once. Where hardly any
    photo has a strong partner, repeats are rare, and weak evidence is mostly chance: the log odds
    go down with the share of the photos that have one (an empirical Bayes prior).
    """
    strong = [link for link in links.values() if link.evidence > _STRONG]
    partnered = {i for link in strong for i in (link.one, link.other)}
    share = max(len(partnered), 1) / max(n, 1)
    return min(0.0, float(np.log(share / _USUAL)))


class _Progress:
    """Counts photos over both rounds."""

    def __init__(self, tell: Callable[[int, int], None] | None, total: int) -> None:
        self.tell, self.done, self.total = tell, 0, total

    def step(self) -> None:
        self.done += 1
        if self.tell is not None:
            self.tell(self.done, self.total)


def _look(
    photos: Sequence[Keypoints],
    listed: Sequence[Shortlist],
    chosen: Sequence[int],
    report: _Progress,
) -> dict[int, list[Resemblance]]:
    """What each chosen photo finds of itself in its shortlist."""
    found = {}
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        tasks = [pool.submit(resemblances, photos, i, listed[i]) for i in chosen]
        try:
            for i, task in zip(chosen, tasks, strict=True):
                found[i] = task.result()
                report.step()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return found


def _few_of_each(group: Sequence[int]) -> list[int]:
    """Up to ``_SPOKESMEN`` photos of each group of several, evenly spread over it."""
    members: dict[int, list[int]] = {}
    for i, number in enumerate(group):
        members.setdefault(number, []).append(i)
    chosen = []
    for photos in members.values():
        if len(photos) > 1:
            step = max(1, len(photos) // _SPOKESMEN)
            chosen += photos[::step][:_SPOKESMEN]
    return sorted(chosen)


def _without(listed: Shortlist, group: Sequence[int], own: int) -> Shortlist:
    """The shortlist without the photos of group ``own``."""
    numbers = np.asarray(group)
    return Shortlist(
        listed.plain[numbers[listed.plain] != own],
        listed.mirrored[numbers[listed.mirrored] != own],
    )


def evidence(seen: Sequence[Resemblance]) -> float:
    """Log odds that a pair shows one part, from what each photo found of itself in the other."""
    return float(
        _CONSTANT
        + _PER_ALIGNED * np.log1p(max(r.aligned for r in seen))
        + _PER_COUNT * np.log1p(max(r.count for r in seen))
        + _PER_WORTH * np.log1p(max(r.worth for r in seen))
    )


def _weigh(
    found: Iterable[Sequence[Resemblance]], offset: float = 0.0
) -> dict[tuple[int, int], Link]:
    """The evidence for each pair that was looked at, in the hand that speaks for it more."""
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


def _has_room(of_one: Sequence[Resemblance]) -> bool:
    """Whether a photo had room to look at more like ones, so that who is absent is unlike it."""
    return len(of_one) < VERIFIED or min(evidence([r]) for r in of_one) < 0


def _agree(
    links: dict[tuple[int, int], Link], group: Sequence[int], shown: Sequence[int], room: set[int]
) -> list[int]:
    """Merge groups: pairs are joined, the surest first, where both groups agree.

    Two groups become one if the mean evidence over all pairs of their ``shown`` photos is
    positive (average linkage), so that one false link can't join two parts of several photos.
    A pair that was not looked at counts against it if either photo had ``room`` to look at it.
    """
    group = list(group)
    members: dict[int, list[int]] = {}
    for i, number in enumerate(group):
        members.setdefault(number, []).append(i)
    speaks: dict[int, list[int]] = {number: [] for number in members}
    for i in shown:
        speaks[group[i]].append(i)

    def known(a: int, b: int) -> float:
        link = links.get((min(a, b), max(a, b)))
        if link is not None:
            return max(-_SURE, min(_SURE, link.evidence))
        return _ABSENT if a in room or b in room else 0.0

    for link in sorted(links.values(), key=lambda k: (-k.evidence, k.one, k.other)):
        one, other = group[link.one], group[link.other]
        if link.evidence <= 0:
            break
        if one != other and sum(known(a, b) for a in speaks[one] for b in speaks[other]) > 0:
            for photo in members[other]:
                group[photo] = one
            members[one] += members.pop(other)
            speaks[one] += speaks.pop(other)
    return group
