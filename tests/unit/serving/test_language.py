import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from fastdefect.serving import language, problems
from fastdefect.serving.language import LANGUAGES, texts_for

_PACKAGE = Path(language.__file__).parent
_TEMPLATES = "\n".join(
    path.read_text(encoding="utf-8") for path in sorted((_PACKAGE / "templates").glob("*.html"))
)
# These keys end in a name: of a decision, an answer, a quantity, or one and many.
_PREFIXES = ("why_", "short_", "answer_", "problem_", "drift_")


def _words(name: str) -> Mapping[str, str]:
    return tomllib.loads((_PACKAGE / "texts" / f"{name}.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", sorted(set(LANGUAGES) - {"en"}))
def test_each_language_has_the_same_keys_and_braces(name: str) -> None:
    english, other = _words("en"), _words(name)
    assert other.keys() == english.keys()
    for key in english:
        assert set(re.findall(r"{\w+}", other[key])) == set(re.findall(r"{\w+}", english[key])), key
        assert other[key].strip(), key


# Right for any number: a name of a photo, a number after its noun, or the number of a constant.
_NEUTRAL = {"photo_n", "photo_n_of", "remove_photo", "in_line", "drift_not_shown", "drift_later"}


@pytest.mark.parametrize("name", sorted(LANGUAGES))
def test_a_count_has_words_for_one_and_for_several(name: str) -> None:
    words = _words(name)
    counting = {key for key, text in words.items() if "{n}" in text}
    plain = {key for key in counting if not key.endswith(("_one", "_many"))}
    assert plain == _NEUTRAL
    for key in counting - plain:
        stem = key.rpartition("_")[0]
        assert words[f"{stem}_one"] != words[f"{stem}_many"]


def test_the_page_is_in_two_languages() -> None:
    assert set(LANGUAGES) >= {"en", "de"}
    assert _words("en")["skip"] != _words("de")["skip"]


def test_no_word_is_unused() -> None:
    code = _TEMPLATES + (_PACKAGE / "language.py").read_text(encoding="utf-8")
    code += (_PACKAGE / "pages.py").read_text(encoding="utf-8")
    used = set(re.findall(r"[\"']([\w-]+)[\"']", code))
    counted = {f"{key}_{end}" for key in used for end in ("one", "many")}
    decisions = {"OK", "look", "reject"}
    unused = {
        key
        for key in _words("en").keys() - used - counted - decisions
        if not key.startswith(_PREFIXES)
    }
    assert not unused


def test_templates_have_no_words_of_their_own() -> None:
    classes = r"{% (block kind|block data|macro kind.*?) %}.*?{% end(block|macro) %}"
    shown = re.sub(classes, " ", _TEMPLATES)
    shown = re.sub(r"{#.*?#}|{%.*?%}|{{.*?}}(?!})", " ", shown, flags=re.DOTALL)
    shown = re.sub(r"<(svg|code|kbd).*?</\1>|<[^>]*>", " ", shown, flags=re.DOTALL)
    assert not re.findall(r"[A-Za-z]{2,}", shown)


def test_every_problem_has_words() -> None:
    kinds = {each.name for each in vars(problems).values() if isinstance(each, problems.Kind)}
    assert kinds | {"other"} == LANGUAGES["en"].problems.keys()


@pytest.mark.parametrize(
    ("chosen", "remembered", "accepted", "expected"),
    [
        ("de", "en", "en", "de"),
        (None, "de", "en", "de"),
        ("xx", None, "de-AT,de;q=0.9,en;q=0.8", "de"),
        (None, None, "fr, en;q=0.5, de;q=0.6", "de"),
        (None, None, "de;q=0, en;q=0.1", "en"),
        (None, None, "de;q=x", "en"),
        (None, None, "", "en"),
    ],
)
def test_the_first_language_that_there_is(
    chosen: str | None, remembered: str | None, accepted: str, expected: str
) -> None:
    assert texts_for(chosen, remembered, accepted, "en").language == expected


def test_the_setting_decides_last() -> None:
    assert texts_for(None, None, "fr", "de").language == "de"
    assert texts_for(None, None, "fr", "xx").language == "en"


def test_probabilities_are_never_certain() -> None:
    english, german = LANGUAGES["en"], LANGUAGES["de"]
    assert english.probability(0.9312) == "0.93"
    assert german.probability(0.9312) == "0,93"
    assert english.probability(0.0) == "below 0.01"
    assert german.probability(1.0) == "über 0,99"
    assert english.probability(float("nan")) == "not known"
