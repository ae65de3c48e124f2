import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from helpers.bundles import tiny_bundle
from helpers.serving import DARK, Line, line, png

from fastdefect.inference.card import Rule
from fastdefect.serving.records import Inspection, New
from fastdefect.serving.settings import MIB


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Line]:
    with line(tmp_path, max_bytes=2000, max_photos=3) as opened:
        yield opened


def refused(answer: Any, status: int, words: str) -> None:
    assert answer.status_code == status, answer.text
    assert words in answer.json()["detail"], answer.text


def form(*fields: tuple[str, str | None, bytes], end: bytes = b"--\r\n") -> dict[str, Any]:
    """A form as bytes: (name, file name, content)."""
    body = b""
    for name, file, content in fields:
        named = f'; filename="{file}"' if file is not None else ""
        body += f'--x\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'.encode()
        body += content + b"\r\n"
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    return {"content": body + b"--x" + end, "headers": kind}


def test_names_of_files_have_no_folders(at: Line) -> None:
    names = ("../../a.png", "C:\\photos\\b.png", "/etc/c\x1b.png")
    answer = at.client.post("/inspect", **form(*(("photo", each, png(DARK)) for each in names)))
    assert [each["name"] for each in answer.json()["photos"]] == ["a.png", "b.png", "c\\x1b.png"]


def test_a_photo_needs_no_name_and_an_empty_part_is_none(at: Line) -> None:
    answer = at.client.post("/inspect", **form(("photo", None, png(DARK)), ("part", None, b" ")))
    assert answer.json()["photos"][0]["name"] == ""
    assert answer.json()["part"] is None


def test_a_photo_in_many_pieces_is_whole(at: Line) -> None:
    sent = form(("photo", "a.png", png(DARK)), ("part", None, b"Teil 7"))

    def pieces() -> Iterator[bytes]:
        for i in range(0, len(sent["content"]), 3):
            yield sent["content"][i : i + 3]

    answer = at.client.post("/inspect", content=pieces(), headers=sent["headers"])
    assert (answer.json()["decision"], answer.json()["part"]) == ("reject", "Teil 7")


def test_limits(at: Line) -> None:
    big = bytes(2001)
    refused(at.client.post("/inspect", **form(("photo", "a", big))), 413, "2000 bytes")
    raw = {"Content-Type": "image/png"}
    refused(at.client.post("/inspect", content=big, headers=raw), 413, "2000 bytes")
    many = form(*[("photo", "a", png(DARK))] * 4)
    refused(at.client.post("/inspect", **many), 422, "at most 3 photos")
    announced = {**raw, "Content-Length": str(10**12)}
    refused(at.client.post("/inspect", content=b"x", headers=announced), 413, "Expected")
    part = form(("photo", "a", png(DARK)), ("part", None, b"7" * 801))
    refused(at.client.post("/inspect", **part), 422, "at most 200 characters")
    assert at.store.latest(1) == []


def test_what_a_form_lacks_or_has_too_much_is_named(at: Line) -> None:
    photo = ("photo", "a.png", png(DARK))
    cases = [
        (form(("part", None, b"7")), 422, "found none"),
        (form(photo, ("foto", "b.png", b"")), 422, "'foto'"),
        (form(photo, ("part", None, b"7"), ("part", None, b"8")), 422, "one part"),
        (form(photo, ("part", None, b"\xff")), 422, "UTF-8"),
        (form(photo, ("part", None, b"7" * 201)), 422, "at most 200 characters"),
        (form(photo, ("part", None, b"a\x00b")), 422, "in one line"),
        (form(photo, end=b""), 400, "last boundary"),
        (form(), 422, "found none"),
    ]
    for sent, status, words in cases:
        refused(at.client.post("/inspect", **sent), status, words)
    assert at.store.latest(1) == []


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("multipart/form-data", 400),
        ("multipart/form-data; boundary=", 400),
        ("multipart/form-data; boundary=" + "x" * 300, 400),
        ("application/x-www-form-urlencoded", 415),
        ("text/plain", 415),
        ("", 415),
        ("image/png", 422),
    ],
)
def test_other_bodies_are_refused(at: Line, kind: str, status: int) -> None:
    answer = at.client.post("/inspect", content=b"x=1", headers={"Content-Type": kind})
    assert answer.status_code == status


def test_headers_of_a_field_are_bounded(at: Line) -> None:
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    long = b"--x\r\nContent-Disposition: form-data; name=" + b"a" * 9000
    many = b"--x\r\n" + b"".join(b"A%d: b\r\n" % i for i in range(30))
    for body in (long, many):
        answer = at.client.post("/inspect", content=body, headers=kind)
        assert (answer.status_code, answer.json()["type"]) == (400, "urn:fastdefect:bad-body")


def test_the_bytes_of_all_requests_together_are_bounded(tmp_path: Path) -> None:
    with line(tmp_path, memory=100) as at:
        answer = at.client.post("/inspect", files={"photo": bytes(200)})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        small = at.client.post("/inspect", content=b"x", headers={"Content-Type": "image/png"})
        assert small.status_code == 422  # the bytes before are free again


def test_the_bytes_of_a_late_request_count_until_its_work_is_done(tmp_path: Path) -> None:
    with line(tmp_path, memory=2000, timeout=0.1) as at:
        go, add, files = threading.Event(), at.store.add, {"photo": ("a.png", png(DARK))}

        def slow(new: Sequence[New]) -> list[Inspection]:
            assert go.wait(20)
            return add(new)

        at.store.add = slow  # type: ignore[method-assign]
        uploads = at.client.app.state.desk.uploads  # type: ignore[attr-defined]
        assert at.client.post("/inspect", files=files).status_code == 504
        assert uploads._held > len(png(DARK))
        big = at.client.post("/inspect", files={"photo": bytes(1800)})
        assert (big.status_code, big.json()["type"]) == (503, "urn:fastdefect:queue-full")
        go.set()
        deadline = time.monotonic() + 20
        while uploads._held and time.monotonic() < deadline:
            time.sleep(0.001)
        assert uploads._held == 0


def test_nothing_is_written_outside_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("a temporary file")

    with line(tmp_path) as at:
        for name in ("_mkstemp_inner", "TemporaryFile", "SpooledTemporaryFile"):
            monkeypatch.setattr(tempfile, name, forbidden)
        noise = np.random.default_rng(0).integers(0, 256, (1000, 1000, 3), np.uint8)
        photo = bytes(cv2.imencode(".png", noise)[1])
        assert len(photo) > 2 * MIB
        answer = at.client.post("/inspect", files={"photo": ("a.png", photo)})
    assert answer.status_code == 200, answer.text
    assert {each.name for each in tmp_path.iterdir()} == {"line", "tiny.fdb"}


def test_the_product_of_a_request_decides_and_belongs_to_its_key(tmp_path: Path) -> None:
    rule = Rule(
        views="none", temperature=1, threshold=0.5, high=None, rule="x", products=(("axle", 0.2),)
    )
    tiny_bundle(tmp_path / "tiny.fdb", rule=rule)
    sent = form(("photo", "a.png", png(140)))
    with line(tmp_path) as at:

        def decided(product: str, key: str) -> Any:
            headers = {**sent["headers"], "Idempotency-Key": key}
            where = f"/inspect?product={product}"
            return at.client.post(where, content=sent["content"], headers=headers)

        assert decided("axle", "1").json()["decision"] == "reject"
        assert decided("cover", "2").json()["decision"] == "OK"
        refused(decided("cover", "1"), 409, "")
        refused(decided("%00", "3"), 422, "product")
