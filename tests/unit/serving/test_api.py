import io
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from helpers.bundles import tiny_reference
from helpers.serving import BRIGHT, DARK, GREY, Line, banded_bundle, line, png
from PIL import Image

from fastdefect.errors import StoreFullError
from fastdefect.serving.api import midnight


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Line]:
    with line(tmp_path) as opened:
        yield opened


def problem(answer: Any, status: int, name: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert found["type"] == f"urn:fastdefect:{name}"
    assert found["status"] == status
    assert found["detail"]
    assert found["hint"]
    return found


def test_photos_of_a_part_are_one_decision(at: Line) -> None:
    found = at.inspect(BRIGHT, GREY, DARK, part=" 17 ")
    assert (found["decision"], found["part"]) == ("reject", "17")
    assert [each["decision"] for each in found["photos"]] == ["OK", "look", "reject"]
    assert [each["name"] for each in found["photos"]] == ["220.png", "120.png", "10.png"]
    assert found["model"] == at.engine.loaded.model.identity
    assert not {"chosen", "share", "priority", "number"} & found.keys()


def test_the_answer_names_the_views_that_a_part_lacks(tmp_path: Path) -> None:
    views = ("10", "120", "220")
    banded_bundle(tmp_path / "tiny.fdb", part_views=views, view_from=r"^(\d+)\.png")
    with line(tmp_path) as at:
        found = at.inspect(BRIGHT, GREY, part="17")
        assert found["missing_views"] == ["10"]
        stored = at.client.get(f"/inspections/{found['id']}").json()
        assert stored["missing_views"] == []


def test_a_photo_alone_is_a_body(at: Line) -> None:
    kind = {"Content-Type": "image/png"}
    answer = at.client.post("/inspect?part=3", content=png(DARK), headers=kind)
    assert (answer.json()["decision"], answer.json()["part"]) == ("reject", "3")


def test_a_key_makes_a_request_that_is_sent_again_the_same(at: Line) -> None:
    def ask(brightness: int) -> Any:
        files = {"photo": ("a.png", png(brightness))}
        return at.client.post("/inspect", files=files, headers={"Idempotency-Key": "k1"})

    assert ask(DARK).json() == ask(DARK).json()
    problem(ask(BRIGHT), 409, "key-used")
    long = at.client.post("/inspect", content=b"", headers={"Idempotency-Key": "k" * 201})
    problem(long, 422, "invalid-request")


def test_what_can_not_be_read_says_why(at: Line) -> None:
    files = {"photo": ("front.png", png(DARK)[:60])}
    found = problem(at.client.post("/inspect", files=files), 422, "unreadable-photo")
    assert "front.png: truncated PNG" in found["detail"]
    empty = at.client.post("/inspect", content=b"", headers={"Content-Type": "image/png"})
    assert "empty file" in problem(empty, 422, "unreadable-photo")["detail"]
    assert at.store.latest(1) == []


def test_an_inspection_has_the_answers_of_people(at: Line) -> None:
    made = at.inspect(GREY)
    path = f"/inspections/{made['id']}"
    given = {"answer": "defect", "label": "crack", "person": "Ines", "seconds": 2.5}
    answer = at.client.post(f"{path}/answer", json=given)
    assert answer.status_code == 200
    assert at.client.get(path).json() == {**made, "answers": [answer.json()]}
    undone = at.client.post("/answers/undo", json={"person": "Ines"})
    assert undone.json() == {**answer.json(), "undone": True}
    problem(at.client.post("/answers/undo", json={"person": "Ines"}), 404, "not-found")
    assert [each.seconds for each in at.store.answers_of(made["id"])] == [2.5]


def test_an_answer_names_a_class_that_fits(at: Line) -> None:
    path = f"/inspections/{at.inspect(GREY)['id']}/answer"
    for given in ({"answer": "OK", "label": "crack"}, {"answer": "defect", "label": "ok"}):
        found = at.client.post(path, json={**given, "person": "Ines"})
        assert "label: expected" in problem(found, 422, "invalid-request")["detail"]
    for person in ("", " ", " Ines", "x" * 101, 7, "I\x00s", "I\x1b[31m", "I\u202es", "I\u2028s"):
        given = {"answer": "OK", "person": person}
        problem(at.client.post(path, json=given), 422, "invalid-request")
    nobody = f"/inspections/{'0' * 32}/answer"
    problem(at.client.post(nobody, json={"answer": "OK", "person": "I"}), 404, "not-found")


def test_the_queue_tells_neither_decision_nor_probability(tmp_path: Path) -> None:
    with line(tmp_path, check_ok=1) as at:
        for brightness in (BRIGHT, GREY, DARK):
            at.inspect(brightness)
        found = at.client.get("/queue").json()
    assert found["waiting"] == 2
    for each in found["inspections"]:
        assert each.keys() == {"id", "at", "part", "photos"}
        assert each["photos"][0].keys() == {"sha256", "name", "media_type", "view", "product"}


def test_photos_are_the_bytes_that_were_sent(at: Line) -> None:
    sha256 = at.inspect(DARK)["photos"][0]["sha256"]
    answer = at.client.get(f"/photos/{sha256}")
    assert answer.content == png(DARK)
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "immutable" in answer.headers["cache-control"]
    problem(at.client.get(f"/photos/{'0' * 64}"), 404, "not-found")
    for other in ("..%2f..%2fline.sqlite3", "../line.sqlite3", "x" * 64, sha256.upper()):
        assert at.client.get(f"/photos/{other}").status_code in (404, 422)


def test_a_preview_is_a_jpeg_also_of_a_deep_tiff(at: Line) -> None:
    file = io.BytesIO()
    Image.fromarray(np.full((40, 80), 60000, np.uint16)).save(file, "TIFF")
    made = at.client.post("/inspect", files={"photo": ("a.tif", file.getvalue())}).json()
    path = f"/photos/{made['photos'][0]['sha256']}/preview"
    answer = at.client.get(f"{path}?size=20")
    assert answer.headers["content-type"] == "image/jpeg"
    pixels = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    assert pixels.shape == (10, 20, 3)
    problem(at.client.get(f"{path}?size=5000"), 422, "invalid-request")


def test_today_counts(at: Line) -> None:
    for brightness in (BRIGHT, BRIGHT, GREY, DARK):
        made = at.inspect(brightness)
    at.client.post(f"/inspections/{made['id']}/answer", json={"answer": "OK", "person": "I"})
    found = at.client.get("/today").json()
    counts = {name: found[name] for name in ("total", "ok", "look", "reject", "overkills")}
    assert counts == {"total": 4, "ok": 2, "look": 1, "reject": 1, "overkills": 1}
    assert datetime.fromisoformat(found["since"]) <= datetime.now(UTC)


@pytest.mark.skipif(sys.platform == "win32", reason="no tzset")
def test_midnight_is_right_on_a_day_that_changes_the_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    try:
        with monkeypatch.context() as patch:
            patch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
            time.tzset()
            found = [midnight(datetime(2026, 10, day, 12)) for day in (24, 25, 26)]
    finally:
        time.tzset()
    assert [each.utcoffset() for each in found] == [timedelta(hours=h) for h in (2, 2, 1)]


def test_a_reload_takes_the_file_as_it_is_now_and_refuses_a_damaged_one(at: Line) -> None:
    before = at.inspect(BRIGHT)
    banded_bundle(at.bundle, threshold=0.0001)
    loaded = at.client.post("/reload").json()
    after = at.inspect(BRIGHT)
    assert (before["decision"], after["decision"]) == ("OK", "look")
    assert after["model"] == loaded["model"] != before["model"]
    at.bundle.write_bytes(b"no bundle")
    problem(at.client.post("/reload"), 409, "bundle-refused")
    assert at.inspect(BRIGHT)["model"] == loaded["model"]


def test_metrics_are_for_prometheus(tmp_path: Path) -> None:
    banded_bundle(tmp_path / "tiny.fdb", reference=tiny_reference())
    with line(tmp_path) as at:
        at.inspect(BRIGHT, DARK)
        at.client.get("/nowhere")
        at.client.get("/nowhere-else")
        answer = at.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    for row in (
        'fastdefect_requests_total{method="POST",route="/inspect",status="200"} 1.0',
        'fastdefect_requests_total{method="any",route="other",status="404"} 2.0',
        'fastdefect_request_seconds_count{route="/inspect"} 1.0',
        'fastdefect_inspections_total{decision="look"} 1.0',
        'fastdefect_inspections_total{decision="OK"} 0.0',
        "fastdefect_photos_total 2.0",
        "fastdefect_unlike_photos_total 1.0",
        "fastdefect_photos_in_work 0.0",
        "fastdefect_waiting_for_people 1.0",
    ):
        assert row in answer.text.splitlines()
    assert 'fastdefect_bundle_info{identity="' in answer.text


def test_what_the_framework_refuses_is_a_problem_too(at: Line) -> None:
    problem(at.client.get("/nowhere"), 404, "not-found")
    refused = at.client.delete("/queue")
    assert "GET" in problem(refused, 405, "method-not-allowed")["hint"]
    problem(at.client.get("/queue?limit=x"), 422, "invalid-request")
    path = f"/inspections/{'0' * 32}/answer"
    problem(at.client.post(path, content=b"{"), 422, "invalid-request")
    kind = {"Content-Type": "application/json"}
    problem(at.client.post(path, content=b"{", headers=kind), 422, "invalid-request")
    large = b'{"person": "' + b"x" * 20_000 + b'"}'
    problem(at.client.post(path, content=large, headers=kind), 413, "too-large")


def test_a_fault_has_no_stack_trace(at: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(n: int) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(at.store, "queue", fail)
    answer = at.client.get("/queue")
    problem(answer, 500, "internal-error")
    assert "secret" not in answer.text
    assert at.accesses[-1].status == 500


def test_a_full_disk_is_507_and_not_ready(at: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise StoreFullError("line: the disk is full.", "Free space.")

    files = {"photo": ("a.png", png(DARK))}
    with monkeypatch.context() as patch:
        patch.setattr(at.store, "add", full)
        patch.setattr(at.store, "probe", full)
        answer = at.client.post("/inspect", files=files)
        assert answer.headers["retry-after"] == "60"
        problem(answer, 507, "disk-full")
        problem(at.client.get("/readyz"), 503, "store-failed")
        assert at.client.get("/healthz").json() == {"status": "ok"}
    assert at.client.get("/readyz").json() == {"status": "ok"}
    assert at.client.post("/inspect", files=files).status_code == 200


def test_a_late_decision_is_504_and_the_key_gets_it(tmp_path: Path) -> None:
    import threading

    with line(tmp_path, timeout=0.2) as at:
        go, add = threading.Event(), at.store.add

        def slow(new: Any) -> Any:
            go.wait(20)
            return add(new)

        at.store.add = slow  # type: ignore[method-assign]
        files, key = {"photo": ("a.png", png(DARK))}, {"Idempotency-Key": "k"}
        late = problem(at.client.post("/inspect", files=files, headers=key), 504, "late")
        assert "the same Idempotency-Key" in late["hint"]
        go.set()
        found = [at.client.post("/inspect", files=files, headers=key) for _ in range(2)]
        assert {each.status_code for each in found} == {200}
        assert len(at.store.latest(9)) == 1


def test_a_full_queue_is_503_with_the_time_to_wait(tmp_path: Path) -> None:
    with line(tmp_path, queue=2) as at:
        files = [("photo", (f"{i}.png", png(DARK))) for i in range(3)]
        answer = at.client.post("/inspect", files=files)
    detail = problem(answer, 503, "queue-full")["detail"]
    assert "at most 2 photos in work, but got 3" in detail
    assert int(answer.headers["retry-after"]) >= 1


def test_each_request_is_told_without_its_query(at: Line) -> None:
    at.client.get("/queue?limit=3")
    access = at.accesses[-1]
    assert (access.method, access.path, access.status) == ("GET", "/queue", 200)
    assert access.milliseconds > 0
    at.client.get("/a%0A127.0.0.1 GET")
    assert at.accesses[-1].path == "/a%0A127.0.0.1%20GET"


def test_the_description_has_every_path_with_examples(at: Line) -> None:
    found = at.client.get("/openapi.json").json()
    assert found["paths"].keys() >= {"/inspect", "/queue", "/photos/{sha256}/preview", "/metrics"}
    assert found["components"]["schemas"]["InspectionOut"]["examples"][0]["decision"] == "reject"
    body = found["paths"]["/inspect"]["post"]["requestBody"]["content"]
    assert {"multipart/form-data", "image/jpeg"} <= body.keys()
    assert at.client.get("/docs").status_code == 404
