"""The HTTP API."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated

import cv2
import numpy as np
from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi import Path as InPath
from fastapi.concurrency import run_in_threadpool

from fastdefect.data.reading.images import decode_photo, pixel_count
from fastdefect.data.reading.signatures import kind_of
from fastdefect.serving import engine as engines
from fastdefect.serving import metrics as figures
from fastdefect.serving import problems
from fastdefect.serving.day_drift import DayDrift
from fastdefect.serving.engine import Engine
from fastdefect.serving.heat_maps import HeatMaps
from fastdefect.serving.inspect_body import BINARY, BODY
from fastdefect.serving.photo_work import MEDIA_TYPES, jpeg
from fastdefect.serving.problems import Problem, documented
from fastdefect.serving.records import Model
from fastdefect.serving.schemas import (
    AnsweredOut,
    AnswerIn,
    AnswerOut,
    BundleOut,
    InspectionOut,
    QueueOut,
    Status,
    TodayOut,
    UndoIn,
)
from fastdefect.serving.settings import MOST_TEXT, Settings
from fastdefect.serving.store import Store
from fastdefect.serving.uploads import PART, Upload, Uploads, clean

_FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}  # named by its content


@dataclass(frozen=True)
class Desk:
    """What the routes work with. ``reload`` reads the bundle again and returns its model."""

    engine: Engine
    store: Store
    settings: Settings
    reload: Callable[[], Model]
    uploads: Uploads
    metrics: figures.Metrics
    drift: DayDrift
    heat_maps: HeatMaps


def desk_of(request: Request) -> Desk:
    """The desk of the app that answers ``request``."""
    desk: Desk = request.app.state.desk
    return desk


AtDesk = Annotated[Desk, Depends(desk_of)]
Id = Annotated[str, InPath(pattern="^[0-9a-f]{32}$", description="Of an inspection.")]
Sha256 = Annotated[str, InPath(pattern="^[0-9a-f]{64}$", description="Of a photo's bytes.")]
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=f"^[!-~]{{1,{MOST_TEXT}}}$",
        description="A text of your choice, new for each part. A request that is sent again with "
        "its key gets the same answer. It is not decided twice.",
    ),
]
router = APIRouter()


@router.post(
    "/inspect",
    summary="Decide on a part, from one photo or several",
    openapi_extra={"requestBody": BODY},
    responses=documented(
        *(problems.BAD_BODY, problems.SLOW, problems.KEY_USED, problems.TOO_LARGE),
        *(problems.BAD_TYPE, problems.INVALID, problems.UNREADABLE, problems.BUSY),
        *(problems.STOPPING, problems.STORE_FAILED, problems.LATE, problems.STORE_FULL),
    ),
)
async def inspect(
    request: Request,
    desk: AtDesk,
    part: Annotated[
        str | None,
        Query(
            max_length=MOST_TEXT, pattern=PART, description="The part, for a photo without a form."
        ),
    ] = None,
    product: Annotated[
        str | None,
        Query(
            max_length=MOST_TEXT,
            pattern=PART,
            description="The product, if the form has none, for a model with thresholds by "
            "product. The common threshold decides on any other product, and without one.",
        ),
    ] = None,
    view: Annotated[
        str | None,
        Query(
            max_length=MOST_TEXT,
            pattern=PART,
            description="The view, such as the camera, for a photo without a form.",
        ),
    ] = None,
    key: Key = None,
) -> InspectionOut:
    """Send a form with the field ``photo`` once or several times, or a photo alone as the body.

    Beside the photos a form may have ``part``, ``product`` and ``view``.
    If the bundle has a rule for parts, it decides on all photos together. Otherwise a part is
    rejected if one of its photos is, else look if one of them is, and else OK.
    The answer comes when the decision and the photos are on the disk.
    """
    async with desk.uploads.received(request) as upload:
        asked = _request(upload, part=part, product=product, view=view, key=key)
        # In a thread: it hashes the photos and looks for the key.
        future = await run_in_threadpool(desk.engine.submit, asked)
        del asked  # a request that is late must not hold its photos
        upload.work = future
        try:
            async with asyncio.timeout(desk.settings.timeout):
                found = await asyncio.wrap_future(future)
        except TimeoutError:
            raise Problem(
                problems.LATE,
                f"Expected a decision within {desk.settings.timeout:g} s. It is still made.",
                "Send the request again with the same Idempotency-Key.",
            ) from None
    return InspectionOut.of(
        found,
        missing_views=desk.engine.missing_views(found),
        without_view=desk.engine.without_view(found),
    )


def _request(
    upload: Upload, *, part: str | None, product: str | None, view: str | None, key: str | None
) -> engines.Request:
    """The request of a client; what the form names counts before what the address names."""
    product, view = clean("product", product), clean("view", view)
    photos = tuple(
        replace(sent, product=sent.product or product, view=sent.view or view)
        for sent in upload.photos
    )
    named = clean("part", part) if upload.part is None else upload.part
    return engines.Request(photos, named, key)


@router.get(
    "/inspections/{id}",
    summary="A decision, with the answers of people",
    responses=documented(problems.NOT_FOUND, problems.INVALID, problems.STORE_FAILED),
)
def inspection(id: Id, desk: AtDesk) -> AnsweredOut:
    """The same as the answer to ``POST /inspect``, and the answers of people since."""
    found = desk.store.get(id)
    if found is None:
        raise _no_inspection(id)
    answers = [AnswerOut.of(each) for each in desk.store.answers_of(id)]
    return AnsweredOut.of(found, answers=answers)


@router.post(
    "/inspections/{id}/answer",
    summary="Store the answer of a person",
    responses=documented(
        *(problems.BAD_BODY, problems.SLOW, problems.NOT_FOUND, problems.TOO_LARGE),
        *(problems.INVALID, problems.STORE_FAILED, problems.STORE_FULL),
    ),
)
def answer(id: Id, given: AnswerIn, desk: AtDesk) -> AnswerOut:
    """The last answer counts. The earlier ones stay. ``label`` must be a class of the model."""
    found = desk.store.get(id)
    if found is None:
        raise _no_inspection(id)
    _check_label(given, desk.store.model(found.model))
    stored = desk.store.answer(id, given.answer, given.label, given.person, given.seconds)
    return AnswerOut.of(stored)


def _check_label(given: AnswerIn, model: Model | None) -> None:
    if given.label is None or model is None:
        return
    fitting = [name for name in model.classes if (name in model.good) == (given.answer == "OK")]
    if given.label not in fitting:
        raise Problem(
            problems.INVALID,
            f"label: expected {', '.join(fitting) or 'none'} for the answer {given.answer}.",
            "Leave the label out if the class is not known.",
        )


@router.post(
    "/answers/undo",
    summary="Take back the last answer of a person",
    responses=documented(
        *(problems.BAD_BODY, problems.SLOW, problems.NOT_FOUND, problems.TOO_LARGE),
        *(problems.INVALID, problems.STORE_FAILED, problems.STORE_FULL),
    ),
)
def undo(given: UndoIn, desk: AtDesk) -> AnswerOut:
    """Only answers of the last hour. The inspection is in the queue again."""
    undone = desk.store.undo(given.person)
    if undone is None:
        raise Problem(
            problems.NOT_FOUND,
            "Expected an answer of this person from the last hour, but found none that counts.",
            "Answer again: the last answer counts.",
        )
    return AnswerOut.of(undone)


@router.get(
    "/queue",
    summary="What waits for people",
    responses=documented(problems.INVALID, problems.STORE_FAILED),
)
def queue(desk: AtDesk, limit: Annotated[int, Query(ge=1, le=200)] = 20) -> QueueOut:
    """Without the decisions: an answer that follows the model can't correct it."""
    return QueueOut.of(desk.store.waiting(), desk.store.queue(limit))


@router.get(
    "/photos/{sha256}",
    summary="The bytes of a photo as they were sent",
    response_class=Response,
    responses={
        **documented(problems.NOT_FOUND, problems.INVALID, problems.STORE_FAILED),
        200: {"content": {kind: {"schema": BINARY} for kind in MEDIA_TYPES.values()}},
    },
)
def photo(sha256: Sha256, desk: AtDesk) -> Response:
    """By the sha256 that an inspection names."""
    data, kind = _kept(desk, sha256)
    return Response(data, headers=_FOREVER, media_type=kind)


@router.get(
    "/photos/{sha256}/preview",
    summary="A photo as a JPEG that every browser shows",
    response_class=Response,
    responses={
        **documented(
            *(problems.NOT_FOUND, problems.INVALID, problems.UNREADABLE, problems.STORE_FAILED)
        ),
        200: {"content": {"image/jpeg": {"schema": BINARY}}},
    },
)
def preview(
    sha256: Sha256,
    desk: AtDesk,
    size: Annotated[int, Query(ge=16, le=2048, description="Of its longer side.")] = 512,
) -> Response:
    """Made by the reader of the model, also of TIFF, HEIC and photos with 16 bits."""
    data, _ = _kept(desk, sha256)
    with desk.engine.gate.hold(pixel_count(data)):
        pixels = decode_photo(data, "the photo", desk.engine.loaded.scorer.reading)
    height, width = pixels.shape[:2]
    scale = min(1.0, size / max(height, width))
    shape = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(pixels, shape, interpolation=cv2.INTER_AREA)
    return Response(
        jpeg(small.astype(np.uint8, copy=False)), headers=_FOREVER, media_type="image/jpeg"
    )


@router.get(
    "/photos/{sha256}/heatmap",
    summary="Where the bundle that decides now sees evidence for a defect, as a JPEG",
    response_class=Response,
    responses={
        **documented(
            *(problems.NOT_FOUND, problems.INVALID, problems.UNREADABLE, problems.BUSY),
            problems.STORE_FAILED,
        ),
        200: {"content": {"image/jpeg": {"schema": BINARY}}},
    },
)
def heat_map(
    sha256: Sha256,
    desk: AtDesk,
    view: Annotated[
        str | None,
        Query(
            max_length=MOST_TEXT,
            pattern=PART,
            description="The view of the photo, for a bundle whose network takes it. Without it, "
            "the map is that of an unknown view.",
        ),
    ] = None,
) -> Response:
    """It takes as long as about 100 decisions. One is made at a time."""
    data, _ = _kept(desk, sha256)
    made = desk.heat_maps.of(desk.engine.loaded, sha256, data, clean("view", view))
    return Response(made, headers={"Cache-Control": "no-cache"}, media_type="image/jpeg")


def _kept(desk: Desk, sha256: str) -> tuple[bytes, str]:
    """The bytes and the media type of a photo."""
    data = desk.store.photo(sha256)
    kind = None if data is None else MEDIA_TYPES.get(str(kind_of(data)))
    if data is None or kind is None:
        raise Problem(
            problems.NOT_FOUND,
            "There is no photo with this sha256, or it is no longer kept.",
            "Take the sha256 from an inspection; --keep-days and --keep-gb bound what is kept.",
        )
    return data, kind


def midnight(now: datetime | None = None) -> datetime:
    """The one before ``now``, a time without a zone, by the clock and the zone of the server."""
    day = (now or datetime.now()).replace(hour=0, minute=0, second=0, microsecond=0)
    return day.astimezone()  # its own offset: on a day that changes it, the present one is another


@router.get(
    "/today",
    summary="Counts since midnight",
    responses=documented(problems.STORE_FAILED),
)
def today(desk: AtDesk) -> TodayOut:
    """By the clock and the time zone of the server."""
    since = midnight()
    return TodayOut.of(since, desk.store.since(since))


@router.post(
    "/reload",
    summary="Read the bundle file again",
    responses=documented(problems.BUNDLE_REFUSED, problems.STORE_FAILED, problems.STORE_FULL),
)
def reload(desk: AtDesk) -> BundleOut:
    """Requests in work keep their bundle. A bundle with an error is refused. The old one stays."""
    return BundleOut.of(desk.reload())


@router.get("/healthz", summary="Whether the server answers", responses=documented())
async def healthz() -> Status:
    """For a program that starts the server again if it hangs. It needs no token."""
    return Status()


@router.get(
    "/readyz",
    summary="Whether the server can decide and store",
    responses=documented(problems.STORE_FAILED),
)
def readyz(desk: AtDesk) -> Status:
    """503 while the disk is full or the server stops. It needs no token."""
    if reason := desk.engine.trouble():
        hint = "Free space on the disk of the store, or start the server again."
        raise problems.not_ready(reason, hint)
    return Status()


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    response_class=Response,
    responses={
        **documented(problems.STORE_FAILED),
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
    },
)
def metrics(desk: AtDesk) -> Response:
    """In its text format."""
    state = figures.State(
        desk.engine.in_work,
        desk.store.waiting(),
        desk.store.photo_bytes(),
        desk.engine.loaded.model,
    )
    return Response(desk.metrics.text(state), media_type=figures.CONTENT_TYPE)


def _no_inspection(id_: str) -> Problem:
    return Problem(
        problems.NOT_FOUND,
        f"There is no inspection {id_}.",
        "Take the id from the answer to POST /inspect.",
    )
