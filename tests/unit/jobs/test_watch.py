"""Photos that arrive in a folder, in played time: each is decided once, when it is complete."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from helpers.bundles import photo_of, tiny_bundle
from helpers.encode import encode

from fastdefect.errors import DataError, UsageError
from fastdefect.events import Event, Note, silent
from fastdefect.inference.bundle import read_bundle
from fastdefect.inference.inspector import bundle_scorer
from fastdefect.inference.scorer import Scorer
from fastdefect.jobs.predict import Output
from fastdefect.jobs.predicting.live_file import place_key
from fastdefect.jobs.predicting.rows import Row
from fastdefect.jobs.predicting.watched import Polling, Reported, changes_of
from fastdefect.jobs.watch import Watched, arrivals_in, check_watch, watch

PHOTO = encode(photo_of(30), "PNG")


class _Played:
    """Changes of a script: at each wait a step runs, then a quarter of a second has passed."""

    pause, share = 0.5, 0.1

    def __init__(self, *steps: Callable[[], object], report: bool = False) -> None:
        self.steps, self.now, self._report = list(steps), 0.0, report
        if report:
            self.pause = 1e6  # only what is reported is seen

    def __call__(self) -> Iterable[Path] | None:
        self.now += 0.25
        if not self.steps:
            return None
        changed = self.steps.pop(0)()
        return [Path(str(changed))] if self._report and changed else ()

    def clock(self) -> float:
        return self.now


def _wait() -> None:
    return None


def _written(path: Path, data: bytes, at: int) -> Path:
    """Write a file with a time of change of its own, which the file system may not have."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (at, at))
    return path


@pytest.fixture
def scorer(tmp_path: Path) -> Scorer:
    return bundle_scorer(read_bundle(tiny_bundle(tmp_path / "m.fdb")), "m.fdb")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "line").mkdir()
    return tmp_path / "line"


def _decided(
    folder: Path, scorer: Scorer, played: _Played, decided: Sequence[Path] = ()
) -> list[tuple[str, float, str]]:
    """(place, time, error) of each decision."""
    known = {place_key(str(path)) for path in decided}
    found = arrivals_in(folder, scorer, known, played, threads=1, clock=played.clock)
    return [(each.item.inside, played.now, each.error) for each in found]


@pytest.mark.parametrize("report", [False, True])
def test_a_photo_that_is_written_in_pieces_is_decided_when_it_is_whole(
    folder: Path, scorer: Scorer, report: bool
) -> None:
    path = folder / "new/a.png"
    played = _Played(
        lambda: _written(path, PHOTO[:30], 1),
        *[_wait] * 6,
        lambda: _written(path, PHOTO, 2),
        *[_wait] * 8,
        report=report,
    )
    ((place, at, error),) = _decided(folder, scorer, played)
    assert (place, error) == ("new/a.png", "")
    assert 2.5 <= at <= 3.5


def test_a_photo_that_stays_damaged_has_its_row_after_ten_seconds(
    folder: Path, scorer: Scorer
) -> None:
    played = _Played(lambda: _written(folder / "a.png", PHOTO[:30], 1), *[_wait] * 50)
    ((_, at, error),) = _decided(folder, scorer, played)
    assert error == "truncated PNG"
    assert 10 <= at <= 12


def test_a_photo_that_is_renamed_or_removed_before_its_decision_is_decided_once(
    folder: Path, scorer: Scorer
) -> None:
    played = _Played(
        lambda: _written(folder / "a.tmp", PHOTO, 1),
        lambda: _written(folder / "gone.png", PHOTO, 1),
        lambda: (folder / "a.tmp").rename(folder / "a.png"),
        (folder / "gone.png").unlink,
        *[_wait] * 8,
    )
    assert [place for place, *_ in _decided(folder, scorer, played)] == ["a.png"]


def test_a_photo_that_is_written_again_after_its_decision_has_a_second_one(
    folder: Path, scorer: Scorer
) -> None:
    path = _written(folder / "a.png", PHOTO, 1)
    played = _Played(*[_wait] * 6, lambda: _written(path, PHOTO, 2), *[_wait] * 8)
    assert [place for place, *_ in _decided(folder, scorer, played)] == ["a.png", "a.png"]


def test_what_an_earlier_watch_decided_is_not_decided_again(folder: Path, scorer: Scorer) -> None:
    old, new = _written(folder / "old.png", PHOTO, 1), _written(folder / "new.png", PHOTO, 1)
    found = _decided(folder, scorer, _Played(*[_wait] * 8), [old])
    assert [place for place, *_ in found] == [new.name]


def test_reports_about_hidden_files_and_runs_are_passed_over(folder: Path, scorer: Scorer) -> None:
    for mark in ("run.json", "config.toml"):
        _written(folder / "run" / mark, b"", 1)
    played = _Played(
        lambda: _written(folder / ".a.png", PHOTO, 1),
        lambda: _written(folder / "run/sheet.png", PHOTO, 1),
        lambda: _written(folder / "notes.txt", PHOTO, 1),
        *[_wait] * 6,
        report=True,
    )
    assert _decided(folder, scorer, played) == []


def test_a_large_folder_is_listed_for_a_tenth_of_the_time(
    folder: Path, scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    played, listings = _Played(*[_wait] * 80), 0
    from fastdefect.jobs import watch as module

    real = module.list_photos

    def slow(root: Path) -> object:
        nonlocal listings
        listings += 1
        played.now += 1
        return real(root)

    monkeypatch.setattr(module, "list_photos", slow)
    _decided(folder, scorer, played)
    assert listings == 3  # in 20 seconds


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_second_watch_continues_the_file_of_the_first(
    folder: Path, scorer: Scorer, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = folder.parent / f"r{suffix}"

    def run() -> list[str]:
        rows: list[Row] = []

        def on_row(row: Row) -> None:
            rows.append(row)
            raise KeyboardInterrupt

        monkeypatch.setattr("fastdefect.jobs.predicting.arrivals.SETTLED", 0.0)
        watch(scorer, Watched(folder, poll=True), Output(out), on_event=silent, on_row=on_row)
        return [row["path"] for row in rows]

    _written(folder / "a.png", PHOTO, 1)
    assert run() == [str(folder / "a.png")]
    out.write_bytes(out.read_bytes() + b"torn")
    _written(folder / "b.png", PHOTO, 1)
    assert run() == [str(folder / "b.png")]
    lines = out.read_text().splitlines()
    assert [str(folder / name) in lines[-2 + n] for n, name in enumerate(("a.png", "b.png"))] == [
        True,
        True,
    ]


def test_a_watch_of_the_same_folder_by_another_path_is_continued(
    folder: Path, scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    old = _written(folder / "old.png", PHOTO, 1)
    assert _decided(Path("line"), scorer, _Played(*[_wait] * 8), [old]) == []


@pytest.mark.parametrize(("threads", "used", "trials"), [(None, 3, 1), (2, 2, 0)])
def test_the_number_of_threads_is_chosen_once(
    folder: Path,
    scorer: Scorer,
    monkeypatch: pytest.MonkeyPatch,
    threads: int | None,
    used: int,
    trials: int,
) -> None:
    from fastdefect.inference.stream import decide_all
    from fastdefect.jobs import watch as module

    tried: list[Scorer] = []
    asked: list[int | None] = []

    def fastest(tested: Scorer) -> int:
        tried.append(tested)
        return 3

    def decide(*args: Any, threads: int | None = None, **named: Any) -> object:
        asked.append(threads)
        return decide_all(*args, threads=1, **named)

    for name, value in (("fastest_workers", fastest), ("decide_all", decide)):
        monkeypatch.setattr(module, name, value)
    path = _written(folder / "a.png", PHOTO, 1)
    again = [*[_wait] * 6, lambda: _written(path, PHOTO, 2), *[_wait] * 8]
    played = _Played(*again)
    monkeypatch.setattr(module, "changes_of", lambda *args, **named: played)
    monkeypatch.setattr(module, "arrivals_in", partial(arrivals_in, clock=played.clock))
    found = watch(scorer, Watched(folder, threads=threads), Output(), on_event=silent)
    assert (asked, len(tried)) == ([used, used], trials)
    assert found.per_second is None  # a watch mostly waits


def test_an_error_of_the_system_s_reports_is_a_warning_and_the_folder_is_listed(
    folder: Path,
) -> None:
    pytest.importorskip("watchfiles")

    def failing() -> Iterator[set[Any]]:
        raise RuntimeError("out of watches")
        yield set()

    events: list[Event] = []
    reported = Reported(folder, events.append)
    reported._changes = failing()
    assert reported() == ()
    assert (reported.pause, reported.share) == (Polling.pause, Polling.share)
    (warning,) = events
    assert isinstance(warning, Note)
    assert "out of watches" in warning.text


def test_the_system_reports_a_new_photo(folder: Path) -> None:
    pytest.importorskip("watchfiles")
    changes = changes_of(folder, poll=False, on_event=silent)
    assert list(changes() or ()) == []
    _written(folder / "a.png", PHOTO, 1)
    assert any(folder / "a.png" in set(changes() or ()) for _ in range(20))


def test_without_reports_the_folder_is_listed_instead(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastdefect.jobs.predicting.watched.find_spec", lambda name: None)
    assert isinstance(changes_of(folder, poll=False, on_event=silent), Polling)


@pytest.mark.parametrize(
    ("output", "photos", "text"),
    [
        (Output(by="part"), [], "do not apply"),
        (Output(resume=True), [], "do not apply"),
        (Output(), ["a.png"], "do not apply"),
        (Output(Path("r.parquet")), [], "appends rows"),
    ],
)
def test_options_that_do_not_apply_are_refused(
    folder: Path, output: Output, photos: list[str], text: str
) -> None:
    with pytest.raises(UsageError, match=text):
        check_watch(folder, output, photos)
    with pytest.raises(DataError, match="expected a folder"):
        check_watch(folder / "none", Output(), [])
