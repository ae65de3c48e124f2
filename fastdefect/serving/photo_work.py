"""From the bytes of photos to decisions.

And back to bytes, for pictures that are shown.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import cv2
import numpy as np

from fastdefect.aliases import Pixels
from fastdefect.data.parts.names import view_in
from fastdefect.data.reading.damage import UnreadablePhoto
from fastdefect.data.reading.gate import PixelGate
from fastdefect.data.reading.images import pixel_count
from fastdefect.data.reading.signatures import kind_of
from fastdefect.inference.part_pattern import LONGEST
from fastdefect.inference.scorer import Scorer
from fastdefect.serving.records import Photo

# The media types of the kinds of files that are read here.
MEDIA_TYPES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
    "WebP": "image/webp",
    "GIF": "image/gif",
    "PNM": "image/x-portable-anymap",
    "PFM": "image/x-portable-floatmap",
    "HEIC": "image/heic",
    "AVIF": "image/avif",
    "JXL": "image/jxl",
}
_QUALITY = 88  # of a JPEG


@dataclass(frozen=True)
class Sent:
    """A photo as a client sent it; ``name`` is its file name without folders, empty if none.

    ``view`` and ``product`` are what the client says that it shows; None if it does not.
    """

    name: str
    data: bytes
    view: str | None = None
    product: str | None = None


def decide_on(
    scorer: Scorer,
    sent: Sent,
    gate: PixelGate,
    max_megapixels: float,
) -> Photo:
    """Decide on one photo; ``gate`` limits the pixels that all threads decode at the same time.

    Raises ``UnreadablePhoto``.
    """
    started = time.perf_counter()
    name = sent.name or "the photo"
    pixels = pixel_count(sent.data)
    if pixels > max_megapixels * 1e6:
        reason = f"{pixels / 1e6:.1f} megapixels, more than the {max_megapixels:g} of this server"
        raise UnreadablePhoto(Path(name), reason)
    with gate.hold(pixels):
        decoded = scorer.decoded(sent.data, name)
    view = view_of(scorer, sent)
    decision = scorer.decide(decoded, started, sent.product, view)
    return Photo(
        sha256(sent.data).hexdigest(),
        sent.name,
        MEDIA_TYPES[str(kind_of(sent.data))],
        **vars(decision),
        view=view,
        product=sent.product,
    )


def view_of(scorer: Scorer, sent: Sent) -> str | None:
    """The view of a photo: that of the client, else that in the file name; None if unknown."""
    return sent.view or view_in(sent.name, scorer.view_from, LONGEST)


def product_of(photos: Sequence[Photo]) -> str | None:
    """The product of a part: the one that its photos have in common, None if there is none."""
    products = {photo.product for photo in photos} - {None}
    return products.pop() if len(products) == 1 else None


def missing_views(scorer: Scorer, views: Sequence[str | None]) -> tuple[str, ...]:
    """The views of the training that no photo of a part has; ``views`` are those of its photos.

    Empty if the model knows no views, or if that of no photo is known.
    """
    found = set(views) - {None}
    return tuple(view for view in scorer.views if found and view not in found)


def jpeg(picture: Pixels) -> bytes:
    """A picture (h, w, 3) in RGB as a JPEG."""
    bgr = np.ascontiguousarray(picture[:, :, ::-1])
    _, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return bytes(encoded)
