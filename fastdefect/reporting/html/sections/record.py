"""The model card, and the facts that an auditor asks for."""

import hashlib
from collections.abc import Mapping, Sequence

from fastdefect.reporting.html.facts import RunFacts, RunRecord
from fastdefect.reporting.html.page import Block, Grid, Listing, Terms, Words
from fastdefect.reporting.html.texts import say
from fastdefect.reporting.tables.table_data import TableData


def card(facts: RunFacts) -> tuple[Block, ...]:
    """The model card, in the headings of Mitchell et al. 2019."""
    model = facts.model
    train = facts.trained_on
    per_class = ", ".join(
        f"{name} {sum(row['label'] == name for row in train)}" for name in facts.classes
    )
    texts = {
        "details": say(
            "card.details_text",
            arch=model["arch"],
            classes=", ".join(facts.classes),
            version=facts.environment.get("packages", {}).get("fastdefect", "?"),
            started=facts.state.get("started", "?"),
            parameters=f"{model.get('parameters', 0):,}",
            weights=(model.get("weights") or {}).get("note") or "?",
        ),
        "use": say("card.use_text" if facts.has_model else "series.no_use"),
        "out_of_scope": say("card.out_of_scope_text"),
        "factors": say("card.factors_text" if facts.has_model else "series.factors"),
        "metrics": say("card.metrics_text"),
        "evaluation": _evaluation_data(facts),
        "training": say(
            "card.training_text",
            photos=len(train),
            parts=len({row["part"] for row in train}),
            classes=per_class,
            folder=facts.settings["data"]["data"],
        ),
        "caveats": say("card.caveats_text"),
    }
    rows = tuple((say(f"card.{name}"), text) for name, text in texts.items())
    return (Words(say("card.intro"), "note"), Terms(rows))


def _evaluation_data(facts: RunFacts) -> str:
    sides = [
        say(
            "card.side",
            photos=each.evaluation.metrics.n,
            split=say(f"splits.{each.split}"),
            parts=each.evaluation.n_parts,
        )
        for each in facts.measured
    ]
    if not sides:
        return "-"
    told = "series.evaluation_text" if facts.is_out_of_fold else "card.evaluation_text"
    return say(told, sides=" and ".join(sides))


def record(facts: RunFacts) -> tuple[Block, ...]:
    """Fingerprint, command, versions, settings, and the openings of the test."""
    made = say("record.report_text", time=facts.time, version=facts.version)
    rows = (*run_terms(facts), (say("record.report"), made))
    return (Terms(rows), *run_blocks(facts), Words(say("record.files"), "note"))


def fingerprint(rows: Sequence[Mapping[str, str]]) -> str:
    """sha256 over the sorted hashes of the photos: the same for the same photos in any folder."""
    lines = "".join(f"{digest}\n" for digest in sorted(row["sha256"] for row in rows))
    return hashlib.sha256(lines.encode("ascii")).hexdigest()


def run_terms(run: RunRecord) -> tuple[tuple[str, str], ...]:
    """What can be repeated of a run: its data, model, command, machine and versions."""
    machine, state = run.environment, run.state
    device = say(
        "record.device_text",
        device=machine.get("device", "?"),
        name=machine.get("device_name", "?"),
        precision=machine.get("precision", "?"),
        cpus=machine.get("cpus", "?"),
        threads=machine.get("torch_threads", "?"),
    )
    versions = machine.get("packages", {})
    values = {
        "fingerprint": say(
            "record.fingerprint_text", digest=fingerprint(run.rows), n=len(run.rows)
        ),
        "model": (
            say("record.model_text", digest=run.model_digest)
            if run.model_digest
            else say("record.no_model")
        ),
        "command": str(state.get("command", "?")),
        "started": str(state.get("started", "?")),
        "status": str(state.get("status", "?")),
        "seeds": say("record.seeds_text", seed=run.settings["training"]["seed"]),
        "python": str(machine.get("python", "?")),
        "platform": str(machine.get("platform", "?")),
        "device": device,
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()) or "?",
        "commit": str(machine.get("git_commit") or say("record.no_commit")),
        "folder": str(run.folder),
    }
    return tuple((say(f"record.{name}"), value) for name, value in values.items())


def run_blocks(run: RunRecord) -> tuple[Block, ...]:
    """The openings of the sealed test of a run, and all its settings."""
    return (*_openings(run), Listing(say("record.settings"), run.settings_text))


def _openings(run: RunRecord) -> list[Block]:
    n_test = len(run.side("test"))
    if not run.openings:
        return [Words(say("record.sealed", n=n_test) if n_test else say("record.no_test"))]
    rows = tuple(
        (str(number), each.get("time", ""), each.get("command", ""), each.get("what", ""))
        for number, each in enumerate(run.openings, start=1)
    )
    columns = tuple(say("record.openings_columns").split("|"))
    return [Grid(TableData(say("record.openings"), columns, rows))]
