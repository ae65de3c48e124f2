"""How a server starts: what it refuses, its address and token, and what it does at times."""

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers.cli import invoke
from helpers.serving import banded_bundle

from fastdefect.errors import BundleError, StoreError, UsageError
from fastdefect.events import Event, Note, silent
from fastdefect.jobs import serve as module
from fastdefect.jobs.serve import check_settings, load, read_token, require_packages
from fastdefect.serving.language import LANGUAGES
from fastdefect.serving.settings import Settings


def test_others_reach_no_server_without_a_token() -> None:
    for host in ("127.0.0.1", "localhost", "::1"):
        check_settings(Settings(host=host))
    with pytest.raises(UsageError, match="other computers can reach this address") as refused:
        check_settings(Settings(host="0.0.0.0"))
    assert "secrets.token_urlsafe" in refused.value.hint
    check_settings(Settings(host="0.0.0.0", token="x" * 20))


def test_a_language_is_one_of_the_pages(tmp_path: Path) -> None:
    for language in LANGUAGES:
        check_settings(Settings(language=language))
    bundle = banded_bundle(tmp_path / "tiny.fdb")
    result = invoke("serve", bundle, "--store", tmp_path / "line", "--language", "xx")
    assert result.exit_code == 2
    assert "--language xx: expected a language of the pages" in result.stderr
    assert ", ".join(LANGUAGES) in result.stderr


@pytest.mark.parametrize(
    "option", ["--timeout", "--max-mb", "--keep-days", "--keep-gb", "--check-ok", "--check-reject"]
)
def test_a_number_is_finite(option: str) -> None:
    for value in ("inf", "nan"):
        assert invoke("serve", "no.fdb", option, value).exit_code == 2


@pytest.mark.parametrize("text", ["", "short", "with spaces in it, but long", "ü" * 30])
def test_a_token_is_long_and_plain(tmp_path: Path, text: str) -> None:
    file = tmp_path / "token"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="expected one line of at least 20"):
        read_token(file, silent)


def test_a_token_is_read_and_should_be_private(tmp_path: Path) -> None:
    file, events = tmp_path / "token", list[Event]()
    with pytest.raises(UsageError, match="can't be read"):
        read_token(file, silent)
    file.write_text("a-token-of-a-line-that-is-long\n", encoding="utf-8")
    file.chmod(0o644)
    assert read_token(file, events.append) == "a-token-of-a-line-that-is-long"
    assert [each.level for each in events if isinstance(each, Note)] == ["warning"]
    file.chmod(0o600)
    events.clear()
    read_token(file, events.append)
    assert events == []


def test_the_extra_is_named_if_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    require_packages()
    monkeypatch.setattr(module, "_PACKAGES", ("fastapi", "no_such_package"))
    with pytest.raises(UsageError, match="missing: no_such_package") as refused:
        require_packages()
    assert "serve.txt" in refused.value.hint


def test_a_model_is_named_by_its_file(tmp_path: Path) -> None:
    scorer, model, baseline = load(banded_bundle(tmp_path / "tiny.fdb"))
    assert (model.name, model.good, model.classes) == ("tiny.fdb", ("ok",), ("crack", "ok"))
    assert (model.identity, baseline) == (scorer.identity, None)


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield int(other.getsockname()[1])


def test_a_port_that_is_taken_is_an_error(tmp_path: Path, taken: int) -> None:
    bundle = banded_bundle(tmp_path / "tiny.fdb")
    result = invoke("serve", str(bundle), "--store", str(tmp_path / "line"), "--port", str(taken))
    assert result.exit_code == 2
    assert "expected an address of this computer that is free" in result.stderr
    assert not (tmp_path / "line").exists()


def test_a_folder_that_is_no_store_and_a_file_that_is_no_bundle(tmp_path: Path) -> None:
    bundle = banded_bundle(tmp_path / "tiny.fdb")
    foreign = invoke("serve", str(bundle), "--store", str(tmp_path), "--port", "0")
    assert (foreign.exit_code, "expected a store" in foreign.stderr) == (1, True)
    (tmp_path / "no.fdb").write_bytes(b"no")
    assert invoke("serve", str(tmp_path / "no.fdb"), "--port", "0").exit_code == 1


def test_a_reload_keeps_the_old_model_if_the_new_one_has_an_error(tmp_path: Path) -> None:
    bundle, swaps, events = banded_bundle(tmp_path / "tiny.fdb"), list[Any](), list[Event]()
    reload = module._Reload(bundle, swaps.append, events.append)
    assert reload().name == "tiny.fdb"
    bundle.write_bytes(b"no")
    with pytest.raises(BundleError):
        reload()
    assert len(swaps) == 1
    assert [each.level for each in events if isinstance(each, Note)] == ["info", "warning"]


def test_photos_are_deleted_at_the_start_and_a_failure_is_told(tmp_path: Path) -> None:
    called, events = threading.Event(), list[Event]()

    def retire(days: float | None, gigabytes: float | None) -> None:
        assert (days, gigabytes) == (7, None)
        called.set()
        raise StoreError("The disk is away.")

    settings = Settings(keep_days=7)
    with module._retention(retire, settings, events.append):
        assert called.wait(10)
    assert isinstance(events[0], Note)
    assert "The disk is away" in events[0].text
    called.clear()
    with module._retention(retire, replace(settings, keep_days=None), events.append):
        assert not called.wait(0.05)
