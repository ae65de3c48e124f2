"""Answers to requests that can't be met: problem details (RFC 9457), each kind declared once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from fastdefect.data.reading.damage import UnreadablePhoto
from fastdefect.errors import BundleError, FastdefectError, StoreError, StoreFullError
from fastdefect.serving.engine import KeyUsedError, QueueFullError, StoppingError

MEDIA_TYPE = "application/problem+json"
_FULL_SECONDS, _STOP_SECONDS = 60, 5


@dataclass(frozen=True)
class Kind:
    """A kind of problem: the status, the end of its type, and the title."""

    status: int
    name: str
    title: str


BAD_BODY = Kind(400, "bad-body", "The body can't be read")
NO_TOKEN = Kind(401, "no-token", "A token is needed")
FOREIGN = Kind(403, "foreign-page", "Another site sent this request")
NOT_FOUND = Kind(404, "not-found", "There is no such thing")
BAD_METHOD = Kind(405, "method-not-allowed", "The method does not apply here")
SLOW = Kind(408, "slow-request", "The request did not arrive in time")
KEY_USED = Kind(409, "key-used", "The key belongs to another request")
BUNDLE_REFUSED = Kind(409, "bundle-refused", "The bundle was not loaded")
TOO_LARGE = Kind(413, "too-large", "The request is too large")
BAD_TYPE = Kind(415, "media-type", "The kind of body is not supported")
MISDIRECTED = Kind(421, "unknown-host", "This server has another name")
INVALID = Kind(422, "invalid-request", "The request is not valid")
UNREADABLE = Kind(422, "unreadable-photo", "A photo can't be read")
INTERNAL = Kind(500, "internal-error", "The request failed in the server")
BUSY = Kind(503, "queue-full", "Too much work")
STOPPING = Kind(503, "stopping", "The server stops")
STORE_FAILED = Kind(503, "store-failed", "The store can't be used")
LATE = Kind(504, "late", "The decision takes too long")
STORE_FULL = Kind(507, "disk-full", "The disk is full")


class ProblemBody(BaseModel):
    """Why a request was not met (RFC 9457)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:fastdefect:unreadable-photo",
                    "title": UNREADABLE.title,
                    "status": 422,
                    "detail": "Cannot read part-17.jpg: truncated JPEG.",
                    "hint": "Send the photo again, or take it again.",
                }
            ]
        }
    )
    type: str = Field(description="Stays the same in all versions; for programs.")
    title: str
    status: int
    detail: str = Field(description="What was expected and what was found.")
    hint: str = Field(description="What to do.")


class Problem(Exception):  # noqa: N818 - the name of the RFC
    """Ends a request with an answer of this kind."""

    def __init__(
        self, kind: Kind, detail: str, hint: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.kind, self.detail, self.hint = kind, detail, hint
        self.headers = dict(headers or {})

    def response(self) -> Response:
        """The answer."""
        body = ProblemBody(
            type=f"urn:fastdefect:{self.kind.name}",
            title=self.kind.title,
            status=self.kind.status,
            detail=self.detail,
            hint=self.hint,
        )
        return JSONResponse(
            body.model_dump(), self.kind.status, self.headers, media_type=MEDIA_TYPE
        )


def busy(detail: str, seconds: int) -> Problem:
    """There is too much work now. The client should wait for ``seconds``."""
    hint = f"Send the request again in {seconds} s."
    return Problem(BUSY, detail, hint, _wait(seconds))


def not_ready(detail: str, hint: str) -> Problem:
    """The store can't be used at the moment."""
    return Problem(STORE_FAILED, detail, hint, _wait(_STOP_SECONDS))


def _wait(seconds: int) -> dict[str, str]:
    return {"Retry-After": str(seconds)}


def problem_of(error: BaseException) -> Problem | None:
    """The answer to what the engine or the store raised; None if it is a fault of the server."""
    match error:
        case Problem():
            return error
        case QueueFullError():
            asked = error.waiting + error.more
            detail = f"Expected at most {error.most} photos in work, but got {asked}."
            return busy(detail, error.retry_after)
        case KeyUsedError():
            return Problem(
                KEY_USED,
                "An earlier request with this Idempotency-Key had other photos or another part.",
                "Make a new key for each part, and keep it only to send the same request again.",
            )
        case StoppingError():
            hint = "Send the request again with the same Idempotency-Key."
            return Problem(STOPPING, "The server stops.", hint, _wait(_STOP_SECONDS))
        case UnreadablePhoto():
            return Problem(
                UNREADABLE, error.message, "Send it as JPEG, PNG or TIFF, or take it again."
            )
        case BundleError():
            return Problem(BUNDLE_REFUSED, error.message, error.hint)
        case StoreFullError():
            return Problem(STORE_FULL, error.message, error.hint, _wait(_FULL_SECONDS))
        case StoreError():
            return not_ready(error.message, error.hint)
        case FastdefectError():
            return Problem(INVALID, error.message, error.hint)
    return None


def documented(*kinds: Kind) -> dict[int | str, dict[str, Any]]:
    """These kinds as the ``responses`` of a route; those of every route are among them."""
    titles: dict[int | str, list[str]] = {}
    for kind in (*kinds, NO_TOKEN, FOREIGN, MISDIRECTED, INTERNAL):
        titles.setdefault(kind.status, []).append(kind.title)
    schema = {"$ref": "#/components/schemas/ProblemBody"}
    return {
        status: {"description": "; ".join(each) + ".", "content": {MEDIA_TYPE: {"schema": schema}}}
        for status, each in titles.items()
    }


def install(app: FastAPI) -> None:
    """Answer whatever goes wrong in ``app`` with a problem."""
    for kind in (Problem, FastdefectError, QueueFullError, KeyUsedError, StoppingError):
        app.add_exception_handler(kind, _known)
    app.add_exception_handler(HTTPException, _of_status)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(ClientDisconnect, _left)
    app.add_exception_handler(Exception, _internal)


async def _known(request: Request, error: Exception) -> Response:
    problem = problem_of(error)
    assert problem is not None
    return problem.response()


async def _of_status(request: Request, error: Exception) -> Response:
    """What the framework raises: 404, 405, and 400 for a body that can't be read."""
    assert isinstance(error, HTTPException)
    if isinstance(error.__cause__, Problem):  # while it read a body
        return error.__cause__.response()
    headers = dict(error.headers or {})
    method, path = request.method, request.url.path
    known = {
        404: Problem(NOT_FOUND, f"There is no {path}.", "/openapi.json lists the paths."),
        405: Problem(
            BAD_METHOD,
            f"{method} does not apply to {path}.",
            f"Use {headers.get('allow') or headers.get('Allow') or 'another method'}.",
            headers,
        ),
    }
    hint = "/openapi.json describes the body."
    return known.get(error.status_code, Problem(BAD_BODY, str(error.detail), hint)).response()


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
    hint = "/openapi.json describes the request."
    return Problem(INVALID, "; ".join(found[:5]) + ".", hint).response()


async def _left(request: Request, error: Exception) -> Response:
    return Response(status_code=400)  # nobody receives it


async def _internal(request: Request, error: Exception) -> Response:
    """The traceback goes to the log of the server, never to a client."""
    hint = "Send the request again with the same Idempotency-Key, and report the server's log."
    return Problem(INTERNAL, "The request failed in the server.", hint).response()
