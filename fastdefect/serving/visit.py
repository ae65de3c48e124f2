"""What all pages share: the words, the person, the templates, and errors as pages."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote, unquote, urlencode

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, PackageLoader, StrictUndefined

from fastdefect import __version__
from fastdefect.serving.api import Desk, desk_of
from fastdefect.serving.language import LANGUAGES, Texts, texts_for
from fastdefect.serving.problems import INVALID, Problem, problem_of
from fastdefect.serving.settings import MOST_NAME, MOST_TEXT
from fastdefect.text import without_controls

_YEAR = 365 * 24 * 3600

_templates = Environment(
    loader=PackageLoader("fastdefect.serving"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True)
class Visit:
    """A person who looks at a page: in which language, and under which name, if any."""

    request: Request
    texts: Texts
    person: str | None

    @classmethod
    def of(cls, request: Request) -> "Visit":
        """From the query, the cookies and the headers of a request."""
        texts = texts_for(
            request.query_params.get("lang"),
            request.cookies.get("lang"),
            request.headers.get("accept-language", ""),
            desk_of(request).settings.language,
        )
        return cls(request, texts, clean_person(unquote(request.cookies.get("person", ""))))

    @property
    def desk(self) -> Desk:
        """The engine, the store and the settings."""
        return desk_of(self.request)

    def page(self, template: str, status: int = 200, **values: Any) -> Response:
        """A template as the answer; a language that was chosen is kept in a cookie."""
        shown = _templates.get_template(template).render(
            t=self.texts,
            languages=[(each, self._in(each)) for each in LANGUAGES.values()],
            person=self.person,
            path=self.request.url.path,
            version=__version__,
            most_text=MOST_TEXT,
            most_name=MOST_NAME,
            when=_when,
            clock=_clock,
            **values,
        )
        response = HTMLResponse(shown, status, {"Vary": "Accept-Language, Cookie"})
        if self.request.query_params.get("lang") == self.texts.language:
            remember(response, self.request, "lang", self.texts.language)
        return response

    def _in(self, texts: Texts) -> str:
        """The address of this page in another language."""
        kept = [each for each in self.request.query_params.multi_items() if each[0] != "lang"]
        return "?" + urlencode([*kept, ("lang", texts.language)])

    def surroundings(self) -> dict[str, Any]:
        """What the head and the foot of a page show of the line."""
        engine = self.desk.engine
        return {
            "model": engine.loaded.model,
            "trouble": engine.trouble(),
            "waiting": self.desk.store.waiting(),
        }


def clean_person(name: str) -> str | None:
    """A name as it is stored; None if it is empty or can't be a name."""
    stripped = " ".join(name.split())
    if not stripped or len(stripped) > MOST_NAME or without_controls(stripped) != stripped:
        return None
    return stripped


def remember(response: Response, request: Request, name: str, value: str) -> None:
    """Set a cookie for a year."""
    response.set_cookie(
        name,
        quote(value),
        max_age=_YEAR,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )


class PageRoute(APIRoute):
    """A route whose problems are pages, too."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        """Of the framework."""
        handler = super().get_route_handler()

        async def shown(request: Request) -> Response:
            try:
                return await handler(request)
            except RequestValidationError:
                problem = Problem(INVALID, "The request is not that of a page.", "")
            except Exception as error:
                found = problem_of(error)
                if found is None:
                    raise
                problem = found
            return Visit.of(request).page(
                "problem.html", problem.kind.status, problem=problem, back=self.path
            )

        return shown


def _clock(at: datetime) -> str:
    """A time of day by the clock of the server."""
    return f"{at.astimezone():%H:%M}"


def _when(at: datetime) -> str:
    """A time by the clock of the server; with the date if it is not today."""
    here = at.astimezone()
    same_day = here.date() == datetime.now().astimezone().date()
    return f"{here:%H:%M:%S}" if same_day else f"{here:%Y-%m-%d %H:%M}"
