"""Which process of a launcher this one is."""

import pytest

from fastdefect.processes import TIMEOUT_S, Place, place, timeout_s

TORCHRUN = {
    "RANK": "5",
    "WORLD_SIZE": "8",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "4",
    "GROUP_RANK": "1",
}


def test_a_launcher_numbers_its_processes() -> None:
    assert place(TORCHRUN) == Place(5, 8, 1, 4, 1)
    assert not place(TORCHRUN).first
    assert place({**TORCHRUN, "RANK": "0"}).first


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"RANK": "0"},
        {"WORLD_SIZE": "8"},
        {**TORCHRUN, "WORLD_SIZE": "1", "RANK": "0"},
        {**TORCHRUN, "RANK": ""},
        {**TORCHRUN, "RANK": "-1"},
        {**TORCHRUN, "WORLD_SIZE": "all"},
    ],
)
def test_any_other_process_is_alone(environment: dict[str, str]) -> None:
    assert place(environment) == Place(0, 1, 0, 1, 0)


def test_a_launcher_without_hosts_has_one_process_on_each() -> None:
    assert place({"RANK": "1", "WORLD_SIZE": "2"}) == Place(1, 2, 0, 1, 0)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30", 30), ("0.5", 0.5), ("", TIMEOUT_S), ("soon", TIMEOUT_S), ("-1", TIMEOUT_S)],
)
def test_the_limit_for_an_answer(text: str, seconds: float) -> None:
    assert timeout_s({"FASTDEFECT_PROCESS_TIMEOUT": text}) == seconds
