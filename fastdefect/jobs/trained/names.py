"""The part that a photo shows, its view and its product: given by a table, else in its name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fastdefect.data.parts.names import parts_from_names, products_from_names, views_from_names
from fastdefect.data.reading.unlabelled import Candidate
from fastdefect.errors import DataError
from fastdefect.inference.part_pattern import LONGEST
from fastdefect.inference.scorer import Scorer
from fastdefect.text import counted, first

_Search = Callable[[Sequence[str], str], Sequence[str | None]]


@dataclass(frozen=True)
class Patterns:
    """Regular expressions of the user for the part, the view and the product in a name.

    None is that of the model. ``check`` raises ``UsageError`` for one that is not valid.
    """

    part: str | None = None
    view: str | None = None
    product: str | None = None

    def check(self) -> None:
        """Raise ``UsageError`` for a pattern that is not a regular expression."""
        for pattern, search in (
            (self.part, parts_from_names),
            (self.view, views_from_names),
            (self.product, products_from_names),
        ):
            if pattern is not None:
                search([], pattern)


class Names:
    """The part, the view and the product of each photo."""

    def __init__(self, given: Patterns, scorer: Scorer) -> None:
        """Use the patterns that the user gave, else those of the model."""
        self._part = _finder(given.part, scorer.part_from, parts_from_names)
        self._view = _finder(given.view, scorer.view_from, views_from_names)
        self._product = _finder(given.product, scorer.product_from, products_from_names)

    def part(self, candidate: Candidate) -> str | None:
        """The name of the part; None if it is not known."""
        return candidate.part if candidate.part is not None else self._part(candidate)

    def view(self, candidate: Candidate) -> str | None:
        """The name of the view; None if it is not known."""
        return candidate.view if candidate.view is not None else self._view(candidate)

    def product(self, candidate: Candidate) -> str | None:
        """The name of the product; None if it is not known."""
        return candidate.product if candidate.product is not None else self._product(candidate)


def _finder(
    given: str | None, of_model: str | None, search: _Search
) -> Callable[[Candidate], str | None]:
    """Find a name by the pattern, in the place in a folder, else in the whole path.

    That is as in a training. The pattern of a model is not searched in very long names: it may come
    from anywhere, and could take long.
    """
    pattern = given if given is not None else of_model
    if pattern is None:
        return lambda _: None
    longest = None if given is not None else LONGEST

    def found_in(name: str) -> str | None:
        if longest is not None and len(name) > longest:
            return None
        try:
            return search([name], pattern)[0]
        except DataError:  # this name does not match
            return None

    search([], pattern)
    return lambda candidate: found_in(candidate.inside) or found_in(candidate.name)


def without_view_text(n: int, total: int, known: Sequence[str]) -> str:
    """The ``n`` of ``total`` photos that a network, which takes one of ``known`` views, lacks."""
    have = "has" if n == 1 else "have"
    return (
        f"{n} of {counted(total, 'photo')} {have} no view that the network knows ({first(known)}): "
        "it decided on them without a view. A column view or --view-from names it."
    )
