import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from helpers.bundles import tiny_bundle, tiny_network, tiny_reference
from helpers.serving import BRIGHT, DARK, GREY, Line, banded_bundle, line, png
from helpers.stores import MODEL, new_inspection, new_look, photo_of_line

from fastdefect.inference.card import Rule

_HOSTILE = "<script>alert(1)</script>'\"&{{7*7}}"


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Line]:
    with line(tmp_path) as opened:
        yield opened


def page(at: Line, path: str, **headers: str) -> str:
    answer = at.client.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return str(answer.text)


def as_person(at: Line, name: str = "Ines") -> Line:
    answer = at.client.post("/review/person", data={"person": name})
    assert (answer.status_code, answer.headers["location"]) == (303, "/review")
    return at


def follow(at: Line, path: str, **data: Any) -> str:
    """The page after a form."""
    answer = at.client.post(path, data=data)
    assert answer.status_code == 303, answer.text
    return page(at, answer.headers["location"])


def waiting_id(text: str) -> str:
    found = re.search(r'name="id" value="(\w+)"', text)
    assert found is not None
    return found[1]


def text_of(html: str) -> str:
    """The words that a person sees, on one line."""
    shown: list[str] = []
    reader = HTMLParser()
    reader.handle_data = shown.append  # type: ignore[method-assign]
    reader.feed(html)
    return " ".join(" ".join(shown).split())


@pytest.mark.parametrize(
    ("brightness", "words"),
    [
        (BRIGHT, "OK The model sees no defect. Probability of a defect below 0.01"),
        (GREY, "Look The model is not sure. A person decides. Probability of a defect 0.62"),
        (DARK, "Reject The model sees a defect. Probability of a defect above 0.99"),
    ],
)
def test_the_decision_is_shown_in_words(at: Line, brightness: int, words: str) -> None:
    found = at.inspect(brightness, part="17")
    shown = page(at, f"/?decided={found['id']}")
    assert words in text_of(shown)
    title = re.search("<title>(.*)</title>", shown)
    assert title is not None
    assert title[1] == f"{words.split()[0]}, Part 17 – fastdefect"
    assert f'class="decision is-{found["decision"].lower()}"' in shown


def test_unlike_is_said_in_plain_words(tmp_path: Path) -> None:
    banded_bundle(tmp_path / "tiny.fdb", reference=tiny_reference())
    with line(tmp_path) as at:
        found = at.inspect(GREY)
        assert found["unlike"]
        shown = text_of(page(at, f"/?decided={found['id']}"))
    assert "This photo is unlike the photos of the training. A person decides." in shown


def test_counts_and_last_decisions(at: Line) -> None:
    empty = text_of(page(at, "/"))
    assert "Inspected 0" in empty
    assert "Sent to people –" in empty
    assert "No part was inspected yet." in empty
    for brightness in (*[BRIGHT] * 11, GREY, DARK, DARK):
        at.inspect(brightness)
    shown = page(at, "/")
    assert "Inspected 14 OK 11 Look 1 Reject 2 Sent to people 7.1 %" in text_of(shown)
    recent = shown[shown.index('id="recent-title"') :]
    assert re.findall('<li class="is-(.*?)"', recent) == ["reject"] * 2 + ["look"] + ["ok"] * 9
    assert "This bundle has no photos of validation to compare with." in text_of(shown)


def test_escapes_and_overkills_of_the_answers(tmp_path: Path) -> None:
    with line(tmp_path, check_ok=1.0, check_reject=1.0) as at:
        passed, rejected = at.inspect(BRIGHT)["id"], at.inspect(DARK)["id"]
        as_person(at)
        at.client.post("/review", data={"id": passed, "answer": "defect"})
        at.client.post("/review", data={"id": rejected, "answer": "OK"})
        assert "Escapes 1 Overkills 1" in text_of(page(at, "/"))
        assert "this is an escape" in page(at, f"/parts/{passed}")
        assert "this is an overkill" in page(at, f"/parts/{rejected}")


def test_the_state_of_the_server(at: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    model = at.engine.loaded.model
    assert f"Ready Bundle {model.name} {model.identity[:12]} Version" in text_of(page(at, "/"))
    monkeypatch.setattr(type(at.engine), "trouble", lambda self: "The disk is full.")
    assert "Not ready The disk is full." in text_of(page(at, "/"))


def test_hostile_names_are_text(at: Line) -> None:
    files = {"photo": (f"{_HOSTILE}.png", png(GREY))}
    found = at.client.post("/inspect", files=files, data={"part": _HOSTILE}).json()
    as_person(at, _HOSTILE)
    pages = [page(at, path) for path in ("/", f"/?decided={found['id']}", "/review")]
    pages.append(follow(at, "/review", id=found["id"], answer="OK"))
    pages.append(page(at, f"/parts/{found['id']}"))
    pages.append(page(at, "/review?change"))
    assert not any("<script>alert" in shown for shown in pages)
    assert all("{{7*7}}" in shown for shown in pages)
    assert all("&lt;script&gt;alert(1)" in shown for shown in pages)


def test_the_queue_is_blind(tmp_path: Path) -> None:
    """The page of a part is the same whatever the model says of it, and why it waits."""

    def shown(decision: str, threshold: float, high: float) -> str:
        folder = tmp_path / decision
        folder.mkdir()
        rule = Rule(views="none", temperature=1.0, threshold=threshold, high=high, rule="by hand")
        tiny_bundle(folder / "tiny.fdb", rule=rule)
        with line(folder, check_ok=1.0, check_reject=1.0) as at:
            found = at.inspect(GREY, part="17")
            assert found["decision"] == decision
            html = page(as_person(at), "/review")
            own = (found["id"], found["model"][:12], r"[\d-]*T?\d\d:\d\d:[\d.:+]+")
            for each in (*own, r'name="shown_at" value="\d+"'):
                html = re.sub(each, "", html)
            return html

    look = shown("look", 0.3, 0.8)
    assert look == shown("OK", 0.7, 0.8) == shown("reject", 0.3, 0.5)
    words = text_of(look).lower()
    assert not [each for each in ("look", "reject", "prob", "model", "0.62") if each in words]


def test_an_answer_shows_what_the_model_said_and_the_next_part(at: Line) -> None:
    first, second = at.inspect(GREY, part="1"), at.inspect(GREY, part="2")
    as_person(at)
    asked = page(at, "/review")
    assert "2 parts wait" in asked
    assert "Model:" not in asked
    answered = waiting_id(asked)
    after = follow(at, "/review", id=answered, answer="defect", shown_at="0")
    assert "You: Defect. Model: Look (0.62)." in text_of(after)
    assert waiting_id(after) in {first["id"], second["id"]} - {answered}
    stored = at.store.answers_of(answered)[0]
    assert (stored.answer, stored.label, stored.person) == ("defect", None, "Ines")
    assert stored.seconds is None  # the page was not open since 1970
    empty = follow(at, "/review", id=waiting_id(after), answer="OK")
    assert "Nothing waits" in empty


def test_the_decision_stays_hidden_without_an_answer(at: Line) -> None:
    found = at.inspect(GREY)
    as_person(at)
    assert "Model:" not in page(at, f"/review?after={found['id']}")
    at.store.answer(found["id"], "OK", None, "Otto")
    assert "Model:" not in page(at, f"/review?after={found['id']}")


def test_undo_shows_the_part_again(at: Line) -> None:
    for n in range(3):
        at.inspect(GREY, part=str(n))
    as_person(at)
    answered = waiting_id(page(at, "/review"))
    follow(at, "/review", id=answered, answer="OK")
    back = follow(at, "/review/undo")
    assert waiting_id(back) == answered
    assert "Your last answer is taken back." in text_of(back)
    assert "Model:" not in back
    assert "no answer of yours" in follow(at, "/review/undo")


def test_undo_shows_the_part_wherever_it_is_in_the_queue(at: Line) -> None:
    answered = at.inspect(GREY, part="last")["id"]
    at.store.answer(answered, "OK", None, "Ines")
    urgent = {"priority": 1.0, "model": at.engine.loaded.model.identity}
    at.store.add([new_look(f"id{n}", **urgent) for n in range(50)])
    as_person(at)
    back = follow(at, "/review/undo")
    assert waiting_id(back) == answered
    assert "51 parts wait" in back


def test_skipped_parts_come_later(at: Line) -> None:
    ids = {at.inspect(GREY, part=str(n))["id"] for n in range(2)}
    as_person(at)
    first = waiting_id(page(at, "/review"))
    second = follow(at, "/review/skip", id=first)
    assert waiting_id(second) in ids - {first}
    done = follow(at, "/review", id=waiting_id(second), answer="OK", skip=[first])
    assert "You skipped 1 part. It still waits." in text_of(done)
    assert waiting_id(page(at, "/review")) == first


def test_each_class_of_defects_has_a_key(tmp_path: Path) -> None:
    classes = ("burr", "crack", "ok")
    network = tiny_network(classes=3)
    banded_bundle(tmp_path / "tiny.fdb", 0.2, network=network, classes=classes)
    with line(tmp_path, check_ok=1.0, check_reject=1.0) as at:
        found = at.inspect(DARK)
        as_person(at)
        shown = page(at, "/review")
        assert re.findall(r'name="label" value="(\w+)" data-key="(\w)"', shown) == [
            ("burr", "1"),
            ("crack", "2"),
        ]
        follow(at, "/review", id=found["id"], label="crack")
        stored = at.store.answers_of(found["id"])[0]
        assert (stored.answer, stored.label) == ("defect", "crack")


def test_a_person_is_asked_once_and_can_be_changed(at: Line) -> None:
    found = at.inspect(GREY)
    assert "Who reviews?" in page(at, "/review")
    assert at.client.post("/review", data={"id": found["id"], "answer": "OK"}).status_code == 303
    assert not at.store.answers_of(found["id"])
    assert "You are Jürgen Müller." in text_of(page(as_person(at, "  Jürgen  Müller "), "/review"))
    assert 'value="Jürgen Müller"' in page(at, "/review?change")
    at.client.post("/review/person", data={"person": " "})
    assert "You are Jürgen Müller." in text_of(page(at, "/review"))


@pytest.mark.parametrize(
    "data", [{"answer": "maybe"}, {"label": "no such class"}, {"id": "0" * 32, "answer": "OK"}, {}]
)
def test_a_form_that_is_not_of_the_page_is_refused(at: Line, data: dict[str, str]) -> None:
    found = at.inspect(GREY)
    as_person(at)
    answer = at.client.post("/review", data={"id": found["id"], **data})
    assert answer.status_code in (404, 422)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert not at.store.answers_of(found["id"])


def test_the_form_without_scripts_decides_once(at: Line) -> None:
    form = re.search(r'action="(/\?key=\w+)"', page(at, "/"))
    assert form is not None
    files = {"photo": ("a.png", png(DARK))}
    answers = [at.client.post(form[1], files=files, data={"part": ""}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [303, 303]
    assert answers[0].headers["location"] == answers[1].headers["location"]
    assert "Reject" in text_of(page(at, answers[0].headers["location"]))
    broken = at.client.post("/", files={"photo": ("a.png", b"no photo")})
    assert broken.status_code == 422
    assert "The photo can't be read. Take it again." in text_of(broken.text)


def test_a_part_shows_photos_and_answers(at: Line) -> None:
    found = at.inspect(BRIGHT, GREY, part="17")
    at.store.answer(found["id"], "defect", "crack", "Otto")
    at.store.undo("Otto")
    at.store.answer(found["id"], "OK", None, "Ines")
    shown = text_of(page(at, f"/parts/{found['id']}"))
    assert "Part 17 Look" in shown
    assert "Photo 1 of 2 OK" in shown
    assert "Photo 2 of 2 Look" in shown
    assert re.search(r"Otto Defect taken back [\d:]+ Ines OK [\d:]+", shown)
    assert at.client.get("/parts/none").status_code == 404


def test_a_part_that_the_memory_alone_rejects_may_be_of_an_unknown_kind(at: Line) -> None:
    content = b"photo of x"
    photo = photo_of_line(content, decision="reject", rejected_by="memory")
    at.store.register(MODEL)
    at.store.add([replace(new_inspection("x", contents=[content]), photos=(photo,))])
    assert "perhaps an unknown kind of defect" in text_of(page(at, "/parts/x"))


def test_languages(at: Line) -> None:
    assert '<html lang="de">' in page(at, "/", **{"Accept-Language": "de-CH"})
    assert '<html lang="en">' in page(at, "/")
    german = page(at, "/?lang=de")
    assert "Noch kein Teil wurde geprüft." in text_of(german)
    assert '<html lang="de">' in page(at, "/")
    assert '<html lang="en">' in page(at, "/?lang=en", **{"Accept-Language": "de"})


def test_login(tmp_path: Path) -> None:
    token = "a-token-of-this-test-line"
    with line(tmp_path, token=token) as at:
        asked = at.client.get("/review", headers={"Accept": "text/html"})
        assert asked.headers["location"] == "/login?next=/review"
        assert 'name="next" value="/review"' in page(at, "/login?next=/review")
        german = re.search(r'href="(\?[^"]*lang=de)"', page(at, "/login?next=/review"))
        assert german is not None
        assert german[1] == "?next=%2Freview&amp;lang=de"
        wrong = at.client.post("/login", data={"token": "x"})
        assert "This is not the token" in page(at, wrong.headers["location"])
        right = at.client.post("/login", data={"token": token, "next": "/review"})
        assert right.headers["location"] == "/review"
        page(at, "/review")


def test_no_login_without_a_token(at: Line) -> None:
    assert at.client.get("/login").headers["location"] == "/"


@pytest.mark.parametrize("path", ["/static/", "/static/../pages.py", "/static/%2e%2e/pages.py"])
def test_only_the_files_of_the_page_are_served(at: Line, path: str) -> None:
    assert at.client.get(path).status_code == 404


def test_pages_keep_to_the_policy(at: Line) -> None:
    """No script or style in the pages, and nothing from another place."""
    found = at.inspect(GREY, DARK)
    as_person(at)
    for path in ("/", f"/?decided={found['id']}", "/review", f"/parts/{found['id']}"):
        shown = page(at, path)
        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|https?://", shown)
        assert all("src=" in tag for tag in re.findall("<script.*?>", shown))
        for link in re.findall(r'(?:src|href)="([^"?#]+)', shown):
            assert at.client.get(link).status_code == 200, link
