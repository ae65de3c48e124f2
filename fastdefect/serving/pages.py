"""The pages for people at the line: inspect, review, a part, and the login."""

import secrets
import time
from functools import partial
from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, FastAPI, Form, Query, Request, Response
from starlette.responses import RedirectResponse
from starlette.staticfiles import StaticFiles

from fastdefect.serving import api
from fastdefect.serving.day_drift import FIRST
from fastdefect.serving.engine import Loaded
from fastdefect.serving.photo_work import Sent, view_of
from fastdefect.serving.problems import INVALID, NOT_FOUND, Problem
from fastdefect.serving.records import Answer, Inspection, Model, Photo
from fastdefect.serving.schemas import AnswerIn, UndoIn
from fastdefect.serving.settings import MOST_TEXT, SMALL_BODY
from fastdefect.serving.visit import PageRoute, Visit, clean_person, remember

_RECENT = 12
_MOST_SKIPPED = 40
# Browsers show these; of the others they get a JPEG.
_SHOWN = frozenset({"image/jpeg", "image/png", "image/webp", "image/gif", "image/bmp"})

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Skipped = Annotated[tuple[str, ...], Query(alias="skip", max_length=_MOST_SKIPPED)]
SkippedField = Annotated[tuple[str, ...], Form(alias="skip", max_length=_MOST_SKIPPED)]


def add_pages(app: FastAPI) -> None:
    """Serve the pages and their files."""
    app.include_router(router)
    app.mount("/static", _Static(directory=Path(__file__).parent / "static"), name="static")


class _Static(StaticFiles):
    """Files that a browser keeps, and checks each time for changes."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        """Of the framework."""
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        response.headers["Cache-Control"] = "no-cache"
        return response


@router.get("/")
def inspect_page(request: Request, decided: str | None = None) -> Response:
    """Drop a photo; ``decided`` is the inspection whose decision is shown large."""
    visit = Visit.of(request)
    store = visit.desk.store
    since, loaded = api.midnight(), visit.desk.engine.loaded
    return visit.page(
        "inspect.html",
        shown=None if decided is None else _found(visit, decided),
        views=loaded.scorer.view_input,
        recent=store.latest(_RECENT),
        today=store.since(since),
        has_baseline=loaded.baseline is not None,
        drift=visit.desk.drift.of(loaded, since),
        drift_from=FIRST,
        key=secrets.token_hex(16),
        **visit.surroundings(),
    )


@router.post("/")
async def inspect_form(
    request: Request, key: Annotated[str | None, Query(pattern="^[0-9a-f]{32}$")] = None
) -> Response:
    """The form of the page without scripts: as ``POST /inspect``, and then the decision."""
    found = await api.inspect(request, api.desk_of(request), part=None, key=key)
    return RedirectResponse(f"/?decided={found.id}", 303)


@router.get("/parts/{id}")
def part_page(request: Request, id: str) -> Response:
    """An inspection for people, with the answers."""
    visit = Visit.of(request)
    found = _found(visit, id)
    answers = visit.desk.store.answers_of(found.id)
    counting = [each for each in answers if not each.undone]
    return visit.page(
        "part.html",
        part=found,
        answers=answers,
        map_of=partial(_map_of, visit.desk.engine.loaded, found),
        confirmed=_confirmed(found, counting[-1] if counting else None),
        shown_as=_shown_as,
        **visit.surroundings(),
    )


def _map_of(loaded: Loaded, found: Inspection, photo: Photo) -> str | None:
    """Where the heat map of a photo is; None if it would not be that of the decision.

    Another bundle decides now, or the network takes the view, and an earlier version stored the
    photo without it: then only that in the name of the file is known.
    """
    if found.model != loaded.model.identity:
        return None
    address = f"/photos/{photo.sha256}/heatmap"
    if not loaded.scorer.view_input:
        return address
    view = view_of(loaded.scorer, Sent(photo.name, b"", photo.view))
    return None if view is None else f"{address}?{urlencode({'view': view})}"


def _confirmed(found: Inspection, answer: Answer | None) -> str | None:
    """The key of the words for an answer that contradicts the decision."""
    if answer is None:
        return None
    pairs = {("OK", "defect"): "escape", ("reject", "OK"): "overkill"}
    return pairs.get((found.decision, answer.answer))


def _shown_as(sha256: str, kind: str) -> str:
    """Where the photo is in full size, in a format that browsers show."""
    return f"/photos/{sha256}" if kind in _SHOWN else f"/photos/{sha256}/preview?size=2048"


@router.get("/review")
def review_page(
    request: Request,
    skipped: Skipped = (),
    after: str | None = None,
    first: str | None = None,
    note: str | None = None,
) -> Response:
    """One part of the queue, without its decision; ``after`` is the part answered before.

    ``first`` comes before the others, after an undo. ``note`` is a key of the texts.
    """
    visit = Visit.of(request)
    if visit.person is None or "change" in request.query_params:
        return visit.page("person.html", **visit.surroundings())
    queue = visit.desk.store.queue(_MOST_SKIPPED + 2, first)
    open_ = [each for each in queue if each.id not in skipped]
    part = open_[0] if open_ else None
    return visit.page(
        "review.html",
        part=part,
        following=open_[1] if len(open_) > 1 else None,
        defects=() if part is None else _defects(visit.desk.store.model(part.model)),
        skipped=[each.id for each in queue if each.id in skipped],
        answered=None if after is None else _answered(visit, after),
        note=note if note in ("undone", "nothing_to_undo") else None,
        shown_at=int(time.time()),
        shown_as=_shown_as,
        **visit.surroundings(),
    )


def _defects(model: Model | None) -> tuple[str, ...]:
    """The classes of defects to choose from, if there are several."""
    found = () if model is None else tuple(c for c in model.classes if c not in model.good)
    return found if len(found) > 1 else ()


def _answered(visit: Visit, id_: str) -> tuple[Inspection, Answer] | None:
    """An inspection and the person's answer to it; without an answer the decision stays hidden."""
    found = visit.desk.store.get(id_)
    if found is None:
        return None
    own = [
        each
        for each in visit.desk.store.answers_of(id_)
        if each.person == visit.person and not each.undone
    ]
    return (found, own[-1]) if own else None


@router.post("/review", max_body_size=SMALL_BODY)
def answer_form(
    request: Request,
    id: Annotated[str, Form()],
    shown_at: Annotated[int, Form(ge=0, le=2**40)] = 0,
    answer: Annotated[str | None, Form()] = None,
    label: Annotated[str | None, Form(min_length=1, max_length=MOST_TEXT)] = None,
    skipped: SkippedField = (),
) -> Response:
    """Store an answer: OK, defect, or a class of defects; then the next part."""
    visit = Visit.of(request)
    if visit.person is None:
        return _to_review(skipped)
    if label is not None:
        answer = "defect"
    if answer not in ("OK", "defect"):
        raise Problem(INVALID, "answer: expected OK or defect.", "Go back to the page.")
    seconds = time.time() - shown_at
    given = AnswerIn(
        answer="OK" if answer == "OK" else "defect",
        label=label,
        person=visit.person,
        seconds=seconds if 0 <= seconds < 3600 else None,
    )
    api.answer(id, given, visit.desk)
    return _to_review(skipped, after=id)


@router.post("/review/skip", max_body_size=SMALL_BODY)
def skip_form(id: Annotated[str, Form()], skipped: SkippedField = ()) -> Response:
    """Show another part first; the part stays in the queue."""
    return _to_review((*skipped, id)[-_MOST_SKIPPED:])


@router.post("/review/undo", max_body_size=SMALL_BODY)
def undo_form(request: Request, skipped: SkippedField = ()) -> Response:
    """Take back the person's last answer and show its part again."""
    visit = Visit.of(request)
    if visit.person is None:
        return _to_review(skipped)
    try:
        undone = api.undo(UndoIn(person=visit.person), visit.desk)
    except Problem as problem:
        if problem.kind != NOT_FOUND:
            raise
        return _to_review(skipped, note="nothing_to_undo")
    rest = tuple(each for each in skipped if each != undone.inspection)
    return _to_review(rest, first=undone.inspection, note="undone")


@router.post("/review/person", max_body_size=SMALL_BODY)
def person_form(request: Request, person: Annotated[str, Form(max_length=1000)]) -> Response:
    """Remember who reviews on this device."""
    name = clean_person(person)
    response = _to_review(())
    if name is not None:
        remember(response, request, "person", name)
    return response


def _to_review(skipped: tuple[str, ...], **more: str) -> Response:
    query = urlencode([("skip", each) for each in skipped] + list(more.items()))
    return RedirectResponse(f"/review?{query}" if query else "/review", 303)


@router.get("/login")
def login_page(request: Request, wrong: str | None = None) -> Response:
    """Ask for the token."""
    visit = Visit.of(request)
    if visit.desk.settings.token is None:
        return RedirectResponse("/", 303)
    next_ = request.query_params.get("next", "/")
    return visit.page("login.html", wrong=wrong is not None, next=next_)


def _found(visit: Visit, id_: str) -> Inspection:
    found = visit.desk.store.get(id_)
    if found is None:
        hint = "Take the page from the last decisions."
        raise Problem(NOT_FOUND, f"There is no inspection {id_[:40]}.", hint)
    return found
