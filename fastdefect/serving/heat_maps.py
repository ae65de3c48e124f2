"""Where the model sees evidence for a defect in a photo, by occlusion (``explain/occlusion.py``).

A map takes as long as about 100 decisions. So one is made at a time, beside the decisions, and
the last ones are kept.
"""

from collections import OrderedDict
from threading import BoundedSemaphore, Lock

from fastdefect.aliases import Pixels
from fastdefect.data.reading.gate import PixelGate
from fastdefect.data.reading.images import decode_photo, pixel_count
from fastdefect.explain.maps import laid_on
from fastdefect.explain.occlusion import OutputMaps, worst_box
from fastdefect.explain.overlay import framed, overlay, to_show
from fastdefect.explain.target import choose_target
from fastdefect.inference.scorer import Scorer
from fastdefect.serving.engine import Loaded
from fastdefect.serving.photo_work import jpeg
from fastdefect.serving.problems import NOT_FOUND, Problem, busy

_KEPT = 64
_MOST_WAITING = 4  # requests
_PATIENCE = 20.0  # seconds until it is the turn of a request
_RETRY = 5  # seconds, the Retry-After
_Key = tuple[str, str, str | None]  # the model, the sha256 of the photo, and its view


class HeatMaps:
    """Makes the maps; its methods may be called by any thread."""

    def __init__(self, gate: PixelGate) -> None:
        self._gate, self._turn = gate, Lock()
        # Others would hold the threads that inspections need.
        self._waiting = BoundedSemaphore(_MOST_WAITING)
        self._made: OrderedDict[_Key, bytes] = OrderedDict()

    def of(self, loaded: Loaded, sha256: str, data: bytes, view: str | None = None) -> bytes:
        """A JPEG of the photo with the map over it; ``view`` is what it shows, if that is known.

        Raises ``Problem`` and ``UnreadablePhoto``.
        """
        key = (loaded.model.identity, sha256, view)
        if not self._waiting.acquire(blocking=False):
            raise _busy()
        try:
            return self._made_in_turn(key, loaded, data)
        finally:
            self._waiting.release()

    def _made_in_turn(self, key: _Key, loaded: Loaded, data: bytes) -> bytes:
        if not self._turn.acquire(timeout=_PATIENCE):
            raise _busy()
        try:
            if key not in self._made:
                self._made[key] = jpeg(picture_of(loaded.scorer, data, self._gate, key[2]))
                while len(self._made) > _KEPT:
                    self._made.popitem(last=False)
            return self._made[key]
        finally:
            self._turn.release()


def _busy() -> Problem:
    return busy("Other heat maps are made; one is made at a time.", _RETRY)


def picture_of(scorer: Scorer, data: bytes, gate: PixelGate, view: str | None = None) -> Pixels:
    """The photo (h, w, 3) in grey, its longer side at most 480 pixels, with the map over it.

    ``view`` is that of the photo, for a network that takes it. A frame marks the tile that decides,
    of a model in tiles.
    """
    good = scorer.judge.good
    if not good or len(good) == len(scorer.judge.classes):
        raise Problem(
            NOT_FOUND,
            "A heat map shows the evidence for a defect against a good part, but the classes of "
            "this bundle are all good, or all defects.",
            "Use `fastdefect explain BUNDLE PHOTOS --class NAME`.",
        )
    target = choose_target(scorer.judge.classes, good, None)
    with gate.hold(pixel_count(data)):
        photo = decode_photo(data, "the photo", scorer.reading)
        taken, shown = scorer.frame.take(photo), to_show(photo)
    height, width = photo.shape[:2]
    maps = OutputMaps(scorer.probabilities_of_view(view), target, scorer.frame)
    heat = laid_on(maps(taken.pixels[None])[0], width, height, scorer.frame)
    picture, tile = overlay(shown, heat.values), worst_box(taken, maps.score, scorer.frame)
    return picture if tile is None else framed(picture, tile, (width, height))
