"""The pages in a real browser, through whole tasks."""

import base64
import json
import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from helpers.bundles import tiny_network, viewed_bundle
from helpers.chromium import IN_A_BROWSER
from helpers.serving import BRIGHT, DARK, GREY, banded_bundle, png
from helpers.station import station

pytestmark = IN_A_BROWSER
TABLET = {"width": 810, "height": 1080}
_EXPECTED_NOISE = "Failed to load resource"  # of a status that a test asks for


def decision(page: Any) -> str:
    """The class of the decision, once there is one."""
    page.wait_for_selector("#decision .verdict")
    return str(page.locator("#decision").get_attribute("class"))


def test_photos_by_file_chooser(browser: Any, tmp_path: Path) -> None:
    with station(browser, tmp_path) as (at, watched):
        page = watched.open()
        page.fill("[name=part]", "17")
        with page.expect_file_chooser() as chooser:
            page.click("#choose")
        files = [
            {"name": f"{each}.png", "mimeType": "image/png", "buffer": png(each)}
            for each in (BRIGHT, DARK)
        ]
        chooser.value.set_files(files)
        assert decision(page) == "decision is-reject"
        assert page.title() == "Reject, Part 17 – fastdefect"
        region = page.locator("#decision")
        assert region.get_attribute("aria-live") == "assertive"
        assert "The model sees a defect." in region.inner_text()
        page.wait_for_function("document.querySelectorAll('.recent li').length === 1")
        assert page.locator(".counts .total dd").inner_text() == "1"
        assert page.input_value("[name=part]") == ""
        assert [photo.name for photo in at.store.latest(2)[0].photos] == ["220.png", "10.png"]
        region.get_by_role("link", name="Details").click()
        page.get_by_role("heading", name="Part 17").wait_for()


def give(page: Any, event: str, *photos: bytes) -> None:
    """Drop or paste photos."""
    page.evaluate(
        """([event, photos]) => {
            const data = new DataTransfer();
            for (const each of photos) {
                const bytes = Uint8Array.from(atob(each), (c) => c.charCodeAt(0));
                data.items.add(new File([bytes], "image.png", { type: "image/png" }));
            }
            const given = event === "paste"
                ? new ClipboardEvent("paste", { clipboardData: data, bubbles: true })
                : new DragEvent(event, { dataTransfer: data, bubbles: true });
            document.querySelector("#decision").dispatchEvent(given);
        }""",
        [event, [base64.b64encode(photo).decode() for photo in photos]],
    )


@pytest.mark.parametrize("event", ["drop", "paste"])
def test_photos_by_drop_and_paste(browser: Any, tmp_path: Path, event: str) -> None:
    with station(browser, tmp_path) as (_, watched):
        page = watched.open()
        give(page, "dragenter", png(GREY))
        assert page.locator("body.dropping").count() == 1
        give(page, event, png(GREY))
        assert decision(page) == "decision is-look"
        assert page.title() == "Look, Part without a name – fastdefect"
        page.wait_for_function("document.querySelector('#waiting').innerText.startsWith('1')")


def test_several_parts_are_decided_in_turn(browser: Any, tmp_path: Path) -> None:
    with station(browser, tmp_path) as (at, watched):
        page = watched.open()
        for brightness in (DARK, GREY, BRIGHT):
            give(page, "drop", png(brightness))
        page.wait_for_selector("#decision.is-ok")
        assert [each.decision for each in at.store.latest(9)] == ["OK", "look", "reject"]


def test_the_chosen_view_is_that_of_each_photo(browser: Any, tmp_path: Path) -> None:
    viewed_bundle(tmp_path / "tiny.fdb")
    with station(browser, tmp_path) as (at, watched):
        page = watched.open()
        for view, word in (("front", "is-reject"), ("back", "is-ok")):
            page.select_option("select[name=view]", view)
            give(page, "drop", png(DARK))
            page.wait_for_selector(f"#decision.{word}")
        assert page.input_value("select[name=view]") == "back"  # until another is chosen
        assert [each.decision for each in at.store.latest(9)] == ["OK", "reject"]


def test_photos_are_collected_by_keyboard(browser: Any, tmp_path: Path) -> None:
    with station(browser, tmp_path, look={"viewport": TABLET}) as (at, watched):
        page = watched.open()
        page.get_by_label("Collect several photos first").focus()
        page.keyboard.press("Space")
        for brightness in (BRIGHT, GREY, DARK):
            give(page, "paste", png(brightness))
        assert "3 photos collected" in page.locator("#tray").inner_text()
        assert page.evaluate(_FAULTS) == []
        form = page.locator("#upload").bounding_box()
        button = page.get_by_role("button", name="Decide").bounding_box()
        assert form["y"] < button["y"] < form["y"] + form["height"]
        page.get_by_role("button", name="Remove photo 3").press("Enter")
        page.get_by_role("button", name="Decide").press("Enter")
        assert decision(page) == "decision is-look"
        assert len(at.store.latest(1)[0].photos) == 2
        page.reload()
        assert page.get_by_label("Collect several photos first").is_checked()


def test_a_busy_server_is_asked_again_with_the_same_key(browser: Any, tmp_path: Path) -> None:
    with station(browser, tmp_path, noise=_EXPECTED_NOISE) as (at, watched):
        page, keys = watched.open(), []

        def busy_twice(route: Any) -> None:
            keys.append(route.request.headers["idempotency-key"])
            if len(keys) == 1:
                route.fulfill(status=503, headers={"Retry-After": "1"}, body="{}")
            elif len(keys) == 2:
                route.fetch()  # decided, but the answer is lost
                route.abort()
            else:
                route.continue_()

        page.route("**/inspect", busy_twice)
        give(page, "drop", png(DARK))
        page.wait_for_selector("text=The server is busy")
        assert "Try 2 of 8 follows in 1 s." in page.locator("#decision").inner_text()
        page.wait_for_selector("text=The server can't be reached")
        assert decision(page) == "decision is-reject"
        assert len(keys) == 3
        assert len(set(keys)) == 1
        assert len(at.store.latest(9)) == 1


def test_a_person_stops_the_tries(browser: Any, tmp_path: Path) -> None:
    with station(browser, tmp_path, noise=_EXPECTED_NOISE) as (at, watched):
        page, keys = watched.open(), []

        def busy_once(route: Any) -> None:
            keys.append(route.request.headers["idempotency-key"])
            if len(keys) == 1:
                route.fulfill(status=503, headers={"Retry-After": "60"}, body="{}")
            else:
                route.continue_()

        page.route("**/inspect", busy_once)
        page.fill("[name=part]", "17")
        give(page, "drop", png(DARK))
        page.get_by_role("button", name="Stop").click()
        page.wait_for_selector("text=The server may have decided already.")
        page.get_by_role("button", name="Try again").click()
        assert decision(page) == "decision is-reject"
        assert keys[0] == keys[1]
        assert at.store.latest(1)[0].part == "17"


def test_a_photo_that_can_not_be_read(browser: Any, tmp_path: Path) -> None:
    with station(browser, tmp_path, noise=_EXPECTED_NOISE) as (_, watched):
        page = watched.open()
        give(page, "drop", b"no photo")
        page.wait_for_selector("text=The photo can't be read. Take it again.")
        assert page.locator("#decision.is-failed").count() == 1
        give(page, "drop", png(BRIGHT))
        assert decision(page) == "decision is-ok"


def test_a_part_that_failed_stays_in_sight_until_a_person_continues(
    browser: Any, tmp_path: Path
) -> None:
    with station(browser, tmp_path, noise=_EXPECTED_NOISE) as (at, watched):
        page = watched.open()

        def slowly(route: Any) -> None:
            time.sleep(0.7)  # so that the next part waits in line
            route.continue_()

        page.route("**/inspect", slowly)
        give(page, "drop", b"no photo")
        give(page, "drop", png(BRIGHT))
        page.wait_for_selector("text=The photo can't be read.")
        page.wait_for_timeout(1500)
        assert page.locator("text=The photo can't be read.").is_visible()
        assert at.store.latest(5) == []
        page.get_by_role("button", name="Continue with the next part").click()
        assert decision(page) == "decision is-ok"


def test_three_parts_reviewed_by_keyboard(browser: Any, tmp_path: Path) -> None:
    network = tiny_network(classes=3)
    banded_bundle(tmp_path / "tiny.fdb", 0.05, network=network, classes=("burr", "crack", "ok"))
    with station(browser, tmp_path, check_ok=1.0, check_reject=1.0) as (at, watched):
        for part, brightness in (("1", BRIGHT), ("2", GREY), ("3", DARK)):
            at.inspect(brightness, part=part)
        page = watched.open("/review")
        page.wait_for_selector("#person:focus")
        page.keyboard.type("Ines")
        page.keyboard.press("Enter")

        def press(key: str) -> str:
            with page.expect_navigation():
                page.keyboard.press(key)
            return str(page.locator(".desk").inner_text())

        page.wait_for_selector("text=3 parts wait")
        asked = page.locator(".about").inner_text()
        assert "You: OK." in press("o")
        assert "2 parts wait" in page.title()
        assert "Your last answer is taken back." in press("u")
        assert page.locator(".about").inner_text() == asked
        press("s")
        assert page.locator(".about").inner_text() != asked
        assert "You: crack. Model:" in press("2")
        assert "You: Defect. Model:" in press("d")
        page.wait_for_selector("text=You skipped 1 part.")
        page.get_by_role("link", name="Show skipped parts").press("Enter")
        page.wait_for_selector(".about")
        press("o")
        page.wait_for_selector("text=Nothing waits")
        said = [
            (answer.person, answer.answer, answer.label, answer.undone)
            for each in at.store.latest(9)
            for answer in at.store.answers_of(each.id)
        ]
        assert sorted(said, key=str) == [
            ("Ines", "OK", None, False),
            ("Ines", "OK", None, True),
            ("Ines", "defect", "crack", False),
            ("Ines", "defect", None, False),
        ]


def test_keys_can_be_turned_off(browser: Any, tmp_path: Path) -> None:
    with station(browser, tmp_path) as (at, watched):
        found = at.inspect(GREY)
        page = watched.open("/review")
        page.fill("#person", "Ines")
        page.keyboard.press("Enter")
        page.get_by_label("Answer with single keys").uncheck()
        page.keyboard.press("o")
        page.reload()
        page.keyboard.press("o")
        assert not at.store.answers_of(found["id"])
        page.get_by_role("button", name="OK").click()
        page.wait_for_selector("text=Nothing waits")


def test_a_photo_opens_large(browser: Any, tmp_path: Path) -> None:
    with station(browser, tmp_path) as (at, watched):
        at.inspect(GREY)
        page = watched.open("/review")
        page.fill("#person", "Ines")
        page.keyboard.press("Enter")
        page.get_by_role("link", name="Enlarge Photo 1").press("Enter")
        image = page.locator("dialog img")
        page.wait_for_function("document.querySelector('dialog img').clientWidth > 100")
        before = image.bounding_box()["width"]
        page.keyboard.press("+")
        assert image.bounding_box()["width"] == pytest.approx(1.5 * before, rel=0.01)
        page.keyboard.press("o")  # is not an answer while the photo is open
        page.keyboard.press("Escape")
        assert not page.locator("dialog").is_visible()
        assert at.store.waiting() == 1


def test_language_and_login(browser: Any, tmp_path: Path) -> None:
    token = "a-token-of-this-test-line"
    with station(browser, tmp_path, token=token) as (_, watched):
        page = watched.open("/review")
        assert urlsplit(page.url).path == "/login"
        page.get_by_role("link", name="Deutsch").click()
        page.fill("#token", "falsch")
        page.keyboard.press("Enter")
        page.wait_for_selector("text=Das ist nicht das Token dieses Servers.")
        page.fill("#token", token)
        page.keyboard.press("Enter")
        page.get_by_role("link", name="Prüfen", exact=True).click()
        assert page.locator("html").get_attribute("lang") == "de"
        give(page, "drop", png(DARK))
        decision(page)
        assert page.title() == "Aussortieren, Teil ohne Namen – fastdefect"
        page.get_by_role("link", name="English").click()
        assert page.locator("html").get_attribute("lang") == "en"


def test_without_scripts(browser: Any, tmp_path: Path) -> None:
    with station(browser, tmp_path, look={"java_script_enabled": False}) as (at, watched):
        page = watched.open()
        photo = {"name": "a.png", "mimeType": "image/png", "buffer": png(GREY)}
        page.set_input_files("[name=photo]", photo)
        page.get_by_role("button", name="Decide").click()
        assert "is-look" in str(page.locator("#decision").get_attribute("class"))
        page.get_by_role("link", name="Review").first.click()
        page.fill("#person", "Ines")
        page.get_by_role("button", name="Start").click()
        page.get_by_role("button", name="Defect").click()
        assert "You: Defect. Model: Look (0.62)." in page.locator(".desk").inner_text()
        page.get_by_role("button", name="Undo").click()
        assert at.store.waiting() == 1


# What a person with a screen reader, or with weak eyes, needs of every page.
_FAULTS = Path(__file__).with_name("page_faults.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en-GB", "de-DE"])
def test_every_page_is_accessible(browser: Any, tmp_path: Path, scheme: str, locale: str) -> None:
    """On a tablet both ways, and at 200 % zoom, which is a page of half the width."""
    look = {"color_scheme": scheme, "locale": locale, "viewport": TABLET}
    faults = {}
    with station(browser, tmp_path, look=look) as (at, watched):
        ids = [at.inspect(each, GREY, part="A-" + "17" * 20)["id"] for each in (BRIGHT, DARK)]
        ids.append(at.inspect(BRIGHT)["id"])
        at.store.answer(ids[0], "OK", None, "Ines")
        watched.page.context.add_cookies([{"name": "person", "value": "Ines", "url": watched.url}])
        paths = ["/", *(f"/?decided={each}" for each in ids), f"/parts/{ids[0]}"]
        paths += ["/review", "/review?change", f"/review?after={ids[0]}"]
        for path in paths:
            page = watched.open(path)
            for width, height in ((810, 1080), (1080, 810), (640, 400), (320, 640)):
                page.set_viewport_size({"width": width, "height": height})
                found = page.evaluate(_FAULTS)
                if found:
                    faults[f"{re.sub('[0-9a-f]{32}', 'ID', path)} {width}"] = found
    assert not faults, json.dumps(faults, indent=1)


def test_the_keyboard_reaches_everything_in_order(browser: Any, tmp_path: Path) -> None:
    with station(browser, tmp_path) as (_, watched):
        page, reached = watched.open(), []
        for _ in range(9):
            page.keyboard.press("Tab")
            reached.append(
                page.evaluate(
                    """() => {
                        const e = document.activeElement, l = e.labels?.[0] ?? e;
                        const seen = getComputedStyle(l).outlineStyle !== "none"
                            || getComputedStyle(e).outlineStyle !== "none";
                        return [l.innerText.trim().split("\\n")[0], seen];
                    }"""
                )
            )
    assert [name for name, _ in reached] == [
        "Skip to the content",
        "fastdefect",
        "Inspect",
        "Review",
        "Deutsch",
        "English",
        "Take a photo",
        "Choose photos",
        "Part",
    ]
    assert all(seen for _, seen in reached)
