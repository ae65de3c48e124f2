"""Interrupt commands at random moments, go on, and compare with the uninterrupted ones.

    python benchmarks/kill.py FOLDER [--moments 30] [--commands fit,folds,...] [--signals KILL,TERM]

For each command and signal, half of the moments are random times and half are random system calls
that write (strace attaches to the process): so files are interrupted in a write, between a flush
and a rename, and so on. Then the command goes on as a user would: ``--resume``, or the same command
again. Compared are weights, histories, rows and figures, and the names of all files. What stays in
the folder for temporary files is counted, too. A line of FOLDER/results.jsonl is a moment; those
that are there are not repeated. Needs Linux and strace. A failed moment keeps its folder.
"""

import argparse
import json
import random
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kill_serve
from kill_commands import Command, Facts, Inputs, commands, make_inputs
from kill_process import At, Call, Place, Traced, import_as, run

import fastdefect.jobs.fit  # noqa: F401 (once, for all forks)

SIGNALS = {"KILL": signal.SIGKILL, "TERM": signal.SIGTERM}
RESULTS = "results.jsonl"


@dataclass(frozen=True)
class Whole:
    """The uninterrupted command: what it left, its seconds, and its writing calls."""

    facts: Facts
    seconds: float
    calls: Sequence[Call]


def measure(command: Command, inputs: Inputs, folder: Path) -> Whole:
    """Run the command to its end, twice: for its time, and for its calls."""
    seconds, facts = 0.0, {}
    for number in (1, 2):  # the second without its imports
        place = Place(folder / f"whole{number}").make()
        began = time.monotonic()
        code = run(command.begin(inputs, place), place)
        seconds = time.monotonic() - began
        if code != 0:
            raise RuntimeError(place.said.read_text(encoding="utf-8"))
        import_as(place)
        again = command.facts(place)
        if facts and (changed := differences(facts, again)):
            raise RuntimeError(f"{command.name} differs from run to run: {changed}")
        facts = again
        shutil.rmtree(place.folder)
    place = Place(folder / "traced").make()
    with Traced(command.begin(inputs, place), place) as traced:
        traced.child.wait()
    calls = traced.calls()
    shutil.rmtree(place.folder)
    return Whole(facts, seconds, calls)


def differences(one: Facts, other: Facts) -> dict[str, list[str]]:
    """Names by kind of difference; empty if there is none."""
    found = {
        "lost": sorted(one.keys() - other.keys()),
        "stray": sorted(other.keys() - one.keys()),
        "changed": sorted(key for key in one.keys() & other.keys() if one[key] != other[key]),
    }
    return {kind: names for kind, names in found.items() if names}


def interrupt(command: Command, inputs: Inputs, whole: Whole, place: Place, at: At) -> Any:
    """One moment: interrupt, go on, compare. None if the command had ended before."""
    code = run(command.begin(inputs, place), place, at)
    if code == 0:
        return None
    where = last_call(place) if at.call is not None else ""
    again = command.go_on(inputs, place)
    how = "from its state" if again else "from its start"
    codes = [code, run(again or command.begin(inputs, place), place)]
    found = differences(whole.facts, command.facts(place)) if codes[-1] == 0 else {}
    left = sorted(
        path.relative_to(place.temporary).as_posix() for path in place.temporary.iterdir()
    )
    return {
        "at": str(at),
        "where": where,
        "codes": codes,
        "went_on": how,
        "same": codes[-1] == 0 and not found,
        "differences": found,
        "temporary": left,
    }


def last_call(place: Place) -> str:
    """The call at which strace sent the signal."""
    lines = (place.folder / "calls.txt").read_text(encoding="utf-8", errors="replace").splitlines()
    calls = [line for line in lines if "(" in line and "exited" not in line]
    return calls[-1].split(" ", 1)[1][:200] if calls else ""


def moments(name: str, how: str, whole: Whole, count: int) -> Sequence[At]:
    """The moments of a command and a signal: always the same ones. Times, then calls."""
    chance = random.Random(f"{name} {how}")
    number = SIGNALS[how]
    times = [At(number, seconds=chance.uniform(0, whole.seconds)) for _ in range(count // 2)]
    drawn = [chance.choice(whole.calls) for _ in range(count - count // 2)]
    return [*times, *(At(number, call=(each.name, each.number)) for each in drawn)]


def try_all(
    command: Command, inputs: Inputs, folder: Path, hows: Sequence[str], count: int
) -> None:
    """Try the moments of a command that are not in the results yet."""
    known = [each for each in results(folder) if each["command"] == command.name]
    missing = [how for how in hows if sum(each["signal"] == how for each in known) < count]
    if not missing:
        return
    whole = measure(command, inputs, folder / command.name)
    for how in missing:
        done = {each["number"] for each in known if each["signal"] == how}
        for number, at in enumerate(moments(command.name, how, whole, count)):
            if number in done:
                continue
            place = Place(folder / command.name / f"{how}{number}").make()
            result, moment = None, at
            while result is None:  # a time may be after the end: take an earlier one
                shutil.rmtree(place.folder)
                result = interrupt(command, inputs, whole, place.make(), moment)
                moment = earlier(moment)
            keep(folder, {"command": command.name, "signal": how, "number": number, **result})
            if result["same"]:
                shutil.rmtree(place.folder)


def earlier(at: At) -> At:
    if at.call is not None:
        name, number = at.call
        return At(at.how, call=(name, max(1, number * 3 // 4)))
    return At(at.how, seconds=(at.seconds or 0) * 0.75)


def keep(folder: Path, result: dict[str, Any]) -> None:
    with (folder / RESULTS).open("a", encoding="utf-8") as file:
        file.write(json.dumps(result) + "\n")
    sys.stdout.write(json.dumps(result)[:300] + "\n")
    sys.stdout.flush()


def results(folder: Path) -> list[dict[str, Any]]:
    """The moments tried so far."""
    path = folder / RESULTS
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


def table(found: Sequence[dict[str, Any]]) -> str:
    """The counts as a Markdown table, a row for each command and signal."""
    rows = [
        "| command | signal | moments | in a writing call | identical | lost or changed | stray "
        "files | left in the folder for temporary files |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for command, how in dict.fromkeys((each["command"], each["signal"]) for each in found):
        of = [r for r in found if (r["command"], r["signal"]) == (command, how)]
        counts = (
            len(of),
            sum("call" in r["at"] for r in of),
            sum(r["same"] for r in of),
            sum(bool({"lost", "changed"} & r["differences"].keys()) for r in of),
            sum("stray" in r["differences"] for r in of),
            sum(bool(r["temporary"]) for r in of),
        )
        rows.append(f"| `{command}` | SIG{how} | {' | '.join(map(str, counts))} |")
    return "\n".join(rows)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--moments", type=int, default=30)
    parser.add_argument("--commands", default="fit,folds,ablate,predict,export,serve")
    parser.add_argument("--signals", default="KILL,TERM")
    given = parser.parse_args(arguments)
    folder = given.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    inputs, hows = make_inputs(folder), given.signals.split(",")
    for name in given.commands.split(","):
        if name == "serve":
            kill_serve.try_all(inputs, folder, hows, given.moments, results(folder), keep)
        else:
            try_all(commands()[name], inputs, folder, hows, given.moments)
    found = results(folder)
    sys.stdout.write(table(found) + "\n")
    return int(not all(each["same"] for each in found))


if __name__ == "__main__":
    sys.exit(main())
