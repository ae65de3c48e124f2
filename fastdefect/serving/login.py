"""A browser sends the token once, from a page, and gets a cookie."""

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from starlette.responses import RedirectResponse

from fastdefect.serving.api import AtDesk
from fastdefect.serving.problems import documented
from fastdefect.serving.security import is_token, remember

router = APIRouter()


@router.post(
    "/login",
    summary="Send the token from a page",
    response_class=Response,
    status_code=303,
    include_in_schema=False,
    responses=documented(),
)
def login(
    request: Request,
    desk: AtDesk,
    token: Annotated[str, Form(max_length=1000)],
    next_: Annotated[str, Form(alias="next", max_length=1000)] = "/",
) -> Response:
    """To the page that was asked for, with a cookie; back to the form if the token is wrong."""
    if not is_token(desk.settings, token.strip()):
        return RedirectResponse("/login?wrong=1", 303)
    response = RedirectResponse(next_ if _is_ours(next_) else "/", 303)
    remember(response, token.strip(), secure=request.url.scheme == "https")
    return response


def _is_ours(path: str) -> bool:
    """Whether a browser that is sent to ``path`` stays on this server."""
    return path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
