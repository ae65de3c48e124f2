"""The words of the pages, a file for each language in ``texts/``, and which language a person gets.

A language is added by a file with the same keys.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files

_FOLDER = files("fastdefect.serving") / "texts"


@dataclass(frozen=True)
class Texts:
    """The words of one ``language``, by their keys."""

    language: str
    words: Mapping[str, str]

    def __call__(self, key: str, /, **values: object) -> str:
        """The words of a key, with ``values`` in its braces."""
        text = self.words[key]
        return text.format_map(values) if values else text

    def counted(self, key: str, n: int) -> str:
        """The words for one or for several."""
        return self(f"{key}_{'one' if n == 1 else 'many'}", n=n)

    def number(self, value: float, digits: int) -> str:
        """A number with the decimal sign of the language."""
        return f"{value:.{digits}f}".replace(".", self("decimal"))

    def probability(self, value: float) -> str:
        """Two digits, never a certain 0 or 1."""
        if value != value:
            return self("probability_unknown")
        if value < 0.01:
            return self("below", value=self.number(0.01, 2))
        if value > 0.99:
            return self("above", value=self.number(0.99, 2))
        return self.number(value, 2)

    def part(self, name: str | None) -> str:
        """What a part is called."""
        return self("part_named", part=name) if name else self("no_part")

    def photo(self, n: int, total: int) -> str:
        """What a photo of a part is called."""
        return self("photo_n", n=n) if total == 1 else self("photo_n_of", n=n, total=total)

    def drift(self, quantities: Iterable[str]) -> str:
        """What drifted, in words."""
        return "; ".join(self(f"drift_{name}") for name in quantities)

    @property
    def problems(self) -> Mapping[str, str]:
        """What the kinds of problems mean, by their names."""
        start = "problem_"
        return {key.removeprefix(start): self(key) for key in self.words if key.startswith(start)}


def _read() -> dict[str, Texts]:
    found = sorted(each.name for each in _FOLDER.iterdir() if each.name.endswith(".toml"))
    return {
        name[:-5]: Texts(name[:-5], tomllib.loads((_FOLDER / name).read_text(encoding="utf-8")))
        for name in found
    }


LANGUAGES: Mapping[str, Texts] = _read()


def texts_for(chosen: str | None, remembered: str | None, accepted: str, default: str) -> Texts:
    """The words in the first language of these that there is.

    ``accepted`` is the header Accept-Language of a browser.
    """
    for name in (chosen, remembered, *_by_preference(accepted), default):
        if name is not None and name in LANGUAGES:
            return LANGUAGES[name]
    return LANGUAGES["en"]


def _by_preference(accepted: str) -> list[str]:
    """``de-AT, en;q=0.8`` as ``de``, ``en``; the languages with weight 0 are left out."""
    weighted = []
    for each in accepted[:1000].split(","):
        name, _, weight = each.partition(";q=")
        try:
            weighted.append((float(weight or 1), name.split(";")[0].strip().lower()[:2]))
        except ValueError:
            continue
    ordered = sorted(weighted, key=lambda pair: -pair[0])
    return [name for weight, name in ordered if weight > 0]
