"""Decide on photos as they arrive in a folder; nothing in the folder is moved or changed."""

import time
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fastdefect.data.reading.object_store import Place
from fastdefect.data.reading.unlabelled import Candidate, printable
from fastdefect.errors import DataError, UsageError
from fastdefect.events import Note, OnEvent
from fastdefect.inference.scorer import Scorer
from fastdefect.inference.stream import Decided, decide_all, fastest_workers
from fastdefect.jobs.predict import OnRow, Output, Predicted, no_row
from fastdefect.jobs.predicting.arrivals import Arrivals
from fastdefect.jobs.predicting.live_file import LiveFile, check_live, place_key
from fastdefect.jobs.predicting.rows import Tally, common_text, photo_row, view_text
from fastdefect.jobs.predicting.watched import (
    Changes,
    changed_photos,
    changes_of,
    list_photos,
    state_of,
)
from fastdefect.jobs.trained.names import Names

_Decide = Callable[[Sequence[Candidate]], Iterator[Decided[Candidate]]]


@dataclass(frozen=True)
class Watched:
    """The folder to watch; ``poll`` lists it again and again.

    ``threads`` photos are read and decided at the same time; None is the fastest number.
    """

    folder: Path
    poll: bool = False
    threads: int | None = None


def watch(
    scorer: Scorer,
    watched: Watched,
    output: Output,
    *,
    on_event: OnEvent,
    on_row: OnRow = no_row,
) -> Predicted:
    """Decide on the photos in a folder and on those that arrive, until Ctrl-C.

    Rows are appended to the output, which a later watch continues. Raises ``UsageError`` if it
    can't be written.
    """
    tally, names = Tally.of(scorer), Names(output.patterns, scorer)
    with LiveFile(output.out, scorer) as file:
        changes = changes_of(watched.folder, poll=watched.poll, on_event=on_event)
        # Once, because the trial of the fastest number takes longer than a photo.
        threads = watched.threads or fastest_workers(scorer)
        on_event(Note(f"Watching {watched.folder}. Ctrl-C ends."))
        try:
            for done in arrivals_in(
                watched.folder,
                scorer,
                file.decided,
                changes,
                product_of=names.product,
                view_of=names.view,
                threads=threads,
            ):
                row = photo_row(done, names, scorer)
                file.append(row)
                tally.add(row)
                on_row(row)
        except KeyboardInterrupt:  # the usual end, while a photo is decided
            pass
    for text in filter(None, (common_text(tally), view_text(tally))):
        on_event(Note(text, "warning"))
    return Predicted(tally, None, output.out, 0, None, scorer.name)


def check_watch(folder: Path, output: Output, photos: list[str]) -> None:
    """Raise ``UsageError`` for options and ``photos`` that do not apply.

    Raises ``DataError`` if there is no such folder.
    """
    if photos or output.by == "part" or output.resume:
        raise UsageError(
            "--watch takes its photos from one folder and continues its --out file by itself; "
            "other photos, --by part and --resume do not apply.",
            "Remove them.",
        )
    if not folder.is_dir():
        raise DataError(
            f"--watch {folder}: expected a folder, but there is none.", "Correct the path."
        )
    if output.out is not None:
        check_live(output.out)
    output.patterns.check()


def arrivals_in(
    folder: Path,
    scorer: Scorer,
    decided: Set[bytes],
    changes: Changes,
    *,
    product_of: Callable[[Candidate], str | None] = lambda _: None,
    view_of: Callable[[Candidate], str | None] = lambda _: None,
    threads: int,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Decided[Candidate]]:
    """Decide on each photo once it is complete, until ``changes`` ends.

    ``decided`` are the keys (``place_key``) of the paths that an earlier watch has decided; they
    count for the photos that are there at the start. ``product_of`` and ``view_of`` give
    the product and the view of a photo. ``threads`` decide at the same time.
    """
    decide = partial(
        decide_all,
        scorer,
        path_of=_path_of,
        product_of=product_of,
        view_of=view_of,
        threads=threads,
    )
    began, found = clock(), list_photos(folder)
    old = {p: s for p, s in found.files.items() if place_key(printable(p)) in decided}
    arrivals = Arrivals(old)
    while True:
        now = clock()
        arrivals.listed(found.files, now, complete=found.complete)
        list_at = now + max(changes.pause, (now - began) / changes.share)
        while now < list_at:
            for path in arrivals.waiting:
                arrivals.seen(path, state_of(Path(path)), now)
            yield from _decided(folder, decide, arrivals, clock)
            if (changed := changes()) is None:
                return
            now = clock()
            for path, state in changed_photos(folder, changed).items():
                arrivals.seen(path, state, now)
        began, found = clock(), list_photos(folder)


def _decided(
    folder: Path, decide: _Decide, arrivals: Arrivals, clock: Callable[[], float]
) -> Iterator[Decided[Candidate]]:
    ready = arrivals.ready(clock())
    if not ready:
        return
    candidates = [
        Candidate(printable(path), Path(path), printable(str(Path(path).relative_to(folder))))
        for path in ready
    ]
    for path, each in zip(ready, decide(candidates), strict=True):
        readable = each.decision is not None
        if arrivals.settle(path, state_of(Path(path)), readable, clock()):
            yield each


def _path_of(candidate: Candidate) -> Place:
    return candidate.path
