"""A process that is killed at any moment loses nothing that it acknowledged."""

import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from fastdefect.serving.store import Store


def killed_after(folder: Path, lines: int, seconds: float) -> list[list[str]]:
    """What a process acknowledged that was killed after some lines and a while."""
    child = subprocess.Popen(
        [sys.executable, "-m", "helpers.store_child", str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    assert child.stdout is not None
    with child.stdout:
        said = [child.stdout.readline() for _ in range(lines)]
        time.sleep(seconds)
        child.kill()  # SIGKILL
        said += child.stdout.readlines()
    child.wait()
    # A line that the kill cut off acknowledges nothing.
    return [line.split() for line in said if line.endswith("\n")]


def expect_all(folder: Path, said: list[list[str]]) -> None:
    with Store.open(folder) as store:
        for word, *facts in said:
            if word == "added":
                found = store.get(facts[0])
                assert found is not None, facts
                assert [photo.sha256 for photo in found.photos] == facts[1:]
                assert all(store.photo(sha256) for sha256 in facts[1:])
                assert store.by_key(f"key {facts[0]}") is not None
            else:
                answers = [str(answer.number) for answer in store.answers_of(facts[1])]
                assert answers == [facts[0]]
        numbers = [each.number for each in store.latest(100_000)]
        assert numbers == sorted(set(numbers), reverse=True)
        # Whatever was not acknowledged is there as a whole, or not at all.
        photos = [photo.sha256 for each in store.latest(100_000) for photo in each.photos]
        assert all(store.photo(sha256) is not None for sha256 in photos)
        files = {path.name for path in (folder / "photos").rglob("*") if path.is_file()}
        assert files == set(photos)


def test_a_kill_loses_nothing(tmp_path: Path) -> None:
    expect_all(tmp_path, killed_after(tmp_path, 6, 0.01))


@pytest.mark.slow
def test_many_kills_lose_nothing(tmp_path: Path) -> None:
    random, said = Random(1), []
    for _ in range(40):
        said += killed_after(tmp_path, random.randint(1, 12), random.uniform(0, 0.05))
        expect_all(tmp_path, said)
    assert len(said) > 200
