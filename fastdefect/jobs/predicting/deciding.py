"""The one way from photos to rows: of a prediction in this process, and of workers elsewhere."""

from collections.abc import Iterable, Iterator

from fastdefect.data.reading.object_store import Place
from fastdefect.data.reading.unlabelled import Candidate
from fastdefect.inference.scorer import Scorer
from fastdefect.inference.stream import decide_all
from fastdefect.jobs.predicting.rows import Row, photo_row
from fastdefect.jobs.trained.names import Names


def decided_rows(
    scorer: Scorer, names: Names, candidates: Iterable[Candidate], threads: int | None
) -> Iterator[Row]:
    """The row of each photo, in order. Its digits do not depend on the photos around it."""
    for done in decide_all(
        scorer,
        candidates,
        _place_of,
        product_of=names.product,
        view_of=names.view,
        threads=threads,
        whole_batches=True,
    ):
        yield photo_row(done, names, scorer)


def _place_of(candidate: Candidate) -> Place:
    return candidate.path
