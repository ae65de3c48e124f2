"""The photos behind the model, and its training."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from fastdefect.reporting.html.charts import Axis, Colour, Series, line_chart
from fastdefect.reporting.html.facts import RunFacts, Trained, leaked_by_plain_split, place_of
from fastdefect.reporting.html.page import (
    Block,
    Chart,
    Fold,
    Grid,
    Heading,
    Missing,
    Row,
    Terms,
    Words,
)
from fastdefect.reporting.html.texts import say
from fastdefect.reporting.tables.fit import metric_text
from fastdefect.reporting.tables.table_data import TableData
from fastdefect.text import number_text, value_text

_SPLITS = ("train", "valid", "test", "unused")
_TOGETHER = 7  # trainings whose lines one legend can name
_COLOURS: tuple[Colour, ...] = ("blue", "vermilion", "green", "orange", "sky", "ink")
_DASHES = ("", "6 3", "2 3")
_HISTORY = (
    *(("epoch", "{:.0f}"), ("train_loss", "{:.4f}"), ("valid_loss", "{:.4f}")),
    *(("train_accuracy", "{:.2%}"), ("valid_accuracy", "{:.2%}"), ("gap", "{:+.2%}")),
    *(("f1", "{:.4f}"), ("precision", "{:.4f}"), ("recall", "{:.4f}"), ("auc", "{:.4f}")),
    *(("learning_rate", "{:.2e}"), ("seconds", "{:.1f}")),
)


def data(facts: RunFacts) -> tuple[Block, ...]:
    """Photos, parts, classes, the leaks that were avoided, findings and shortcuts."""
    others = [each for each in facts.findings if each["kind"] != "shortcut"]
    shortcuts = [each for each in facts.findings if each["kind"] == "shortcut"]
    warned = [Words(str(each["message"]), "warning") for each in shortcuts]
    return (
        Grid(counts_table(facts.rows, facts.classes)),
        *_leaks(facts.rows),
        Heading(say("data.findings")),
        *([Grid(_findings(others))] if others else [Words(say("data.no_findings"))]),
        Heading(say("data.shortcuts")),
        *(warned or [Words(say("data.no_shortcuts"))]),
        _swap(facts.swap.get("valid")),
        Missing(
            say("data.audit_more"),
            f"fastdefect audit {facts.settings['data']['data']}",
        ),
    )


def counts_table(rows: Sequence[Mapping[str, str]], classes: Sequence[str]) -> TableData:
    """Photos and parts of each class in each split."""
    found = Counter(place_of(row) for row in rows)
    folds = sorted((p for p in found if p.startswith("fold ")), key=lambda p: int(p[5:]))
    splits = [name for name in _SPLITS if name in found]
    names = classes or sorted({row["label"] for row in rows})

    def cell(label: str | None, split: str | None) -> str:
        chosen = [
            row["part"]
            for row in rows
            if label in (None, row["label"]) and split in (None, place_of(row))
        ]
        return f"{len(chosen):,} ({len(set(chosen)):,})"

    table = [
        (label or "all", *(cell(label, split) for split in (*folds, *splits)), cell(label, None))
        for label in (*names, None)
    ]
    return TableData(
        say("data.counts"),
        ("class", *folds, *(say(f"splits.{name}") for name in splits), "all"),
        tuple(table),
        "Photos, and parts in parentheses. A part with photos of two classes counts in both.",
    )


def _leaks(rows: Sequence[Mapping[str, str]]) -> list[Block]:
    photos_of = Counter(row["part"] for row in rows)
    shared = sum(n for n in photos_of.values() if n > 1)
    held = sum(bool(row.get("fold")) or row["split"] in ("valid", "test") for row in rows)
    leaked = leaked_by_plain_split(rows)
    sides: dict[str, set[str]] = {}
    for row in rows:
        if row["split"] != "unused":
            sides.setdefault(row["part"], set()).add(place_of(row))
    broken = sum(len(of) > 1 for of in sides.values())
    copies = len(rows) - len({row["sha256"] for row in rows})
    whole = say("data.whole", leaked=round(leaked), held=held) if shared else say("data.whole_none")
    return [
        Words(f"{say('data.joined', n=len(rows), shared=shared)}. " + ("" if broken else whole)),
        *([Words(say("data.broken", n=broken), "warning")] if broken else []),
        Words(say("data.duplicates", n=copies) if copies else say("data.no_duplicates")),
    ]


def _findings(findings: Sequence[Mapping[str, Any]]) -> TableData:
    rows = [
        (str(each["kind"]).replace("_", " "), str(each["severity"]), str(each["message"]))
        for each in findings
    ]
    return TableData(say("data.findings"), ("finding", "severity", "message"), tuple(rows))


def _swap(swap: Mapping[str, Any] | None) -> Words:
    if not swap or not swap.get("interval"):
        return Words(say("data.no_swap"), "note")
    low, high = swap["interval"]
    return Words(
        say(
            "data.swap",
            flips=swap["flips"],
            n=swap["n"],
            share=metric_text("escape_rate", swap["share"]),
            low=metric_text("escape_rate", low),
            high=metric_text("escape_rate", high),
            to_escape=swap.get("to_escape", 0),
            to_overkill=swap.get("to_overkill", 0),
        )
    )


def training(facts: RunFacts) -> tuple[Block, ...]:
    """The curves with the gap, the recipe and why, and the settings in a line."""
    model, settings = facts.model, facts.settings
    of_data, of_training = settings["data"], settings["training"]
    tiles = model["preprocessing"].get("tiles", 1)
    setup = say(
        "training.setup",
        arch=model["arch"],
        parameters=f"{model.get('parameters', 0):,}",
        size=model["preprocessing"]["image_size"],
        tiles=say("training.tiles", n=tiles) if tiles > 1 else "",
        epochs=of_training["epochs"],
        batch=of_training["batch_size"],
        rate=of_training["learning_rate"],
        augment=of_data["augment"],
        seed=of_training["seed"],
    )
    weights = (model.get("weights") or {}).get("note") or settings["model"]["weights"]
    return (
        Words(setup),
        Words(say("training.weights", note=weights), "note"),
        *_recipe(facts),
        *(_together(facts.trainings) if facts.trainings else _own_curves(facts)),
    )


def _recipe(facts: RunFacts) -> list[Block]:
    recipe = facts.recipe
    if not recipe:
        return [Words(say("training.recipe_given", recipe=facts.settings["training"]["recipe"]))]
    reason = str(recipe.get("reason", "")).rstrip(".")
    blocks: list[Block] = [
        Words(say("training.recipe", recipe=recipe.get("recipe"), reason=reason))
    ]
    if evidence := recipe.get("evidence"):
        rows = tuple((str(name), _plain(value)) for name, value in evidence.items())
        blocks.append(Terms(rows))
    return blocks


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name.replace('_', ' ')} {_plain(of)}" for name, of in value.items())
    return value_text(value)


def _own_curves(facts: RunFacts) -> list[Block]:
    if not _has_curves(facts.history):
        return [Words(say("training.no_history"))]
    return _curves(facts.history, facts.state.get("best_epoch"))


def _has_curves(history: Sequence[Mapping[str, float]]) -> bool:
    return bool(history) and "valid_loss" in history[0]


def _together(trainings: Sequence[Trained]) -> list[Block]:
    """The curves of all trainings in one frame, and those of each one behind its name."""
    known = [each for each in trainings if _has_curves(each.history)]
    if not known:
        return [Words(say("training.no_history"))]
    overview = Row(
        (
            _overlaid(known, "valid_loss", say("series.loss"), say("training.loss_axis")),
            _overlaid(known, "gap", say("series.gap"), say("training.gap_axis"), scale=100),
        )
    )
    each_one = (
        Fold(
            say("series.one", name=each.name, seed=each.seed, status=each.status),
            tuple(_curves(each.history, each.best_epoch)),
        )
        for each in known
    )
    return [Words(say("series.curves", n=len(known))), overview, *each_one]


def _overlaid(
    trainings: Sequence[Trained], column: str, title: str, axis: str, scale: float = 1
) -> Chart:
    named = len(trainings) <= _TOGETHER
    lines = tuple(
        Series(
            each.name.rpartition("-")[2] if named else "",
            _line(each.history, column, scale),
            _COLOURS[number % len(_COLOURS)],
            _DASHES[number % len(_DASHES)],
        )
        for number, each in enumerate(trainings)
    )
    longest = max((each.history for each in trainings), key=len)
    y = Axis.of(axis, [value for line in lines for _, value in line.points])
    text = say("series.chart_text", title=title, n=len(trainings))
    return Chart(title, line_chart(_epochs(longest), y, lines, description=text))


def _curves(history: Sequence[Mapping[str, float]], best: Any) -> list[Block]:
    blocks: list[Block] = [
        Row(
            (
                _loss(history, best),
                _accuracy(history, best),
                _gap(history, best),
                _scores(history, best),
            )
        )
    ]
    if best:
        blocks.append(Words(say("training.best", best=best, n=len(history)), "note"))
    return [*blocks, Grid(_history_table(history), folded=True)]


def _line(
    history: Sequence[Mapping[str, float]], column: str, scale: float = 1
) -> tuple[tuple[float, float], ...]:
    return tuple((row["epoch"], scale * row.get(column, float("nan"))) for row in history)


def _epochs(history: Sequence[Mapping[str, float]]) -> Axis:
    return Axis.counts(say("training.epoch"), round(history[-1]["epoch"]))


def _loss(history: Sequence[Mapping[str, float]], best: Any) -> Chart:
    series = (
        Series(say("training.train"), _line(history, "train_loss"), "blue", "6 3"),
        Series(say("training.valid"), _line(history, "valid_loss"), "vermilion"),
    )
    y = Axis.of(say("training.loss_axis"), [v for each in series for _, v in each.points])
    svg = line_chart(
        _epochs(history), y, series, description=say("training.loss_text"), marks=_marks(best)
    )
    return Chart(say("training.loss"), svg, say("training.loss_means"))


def _accuracy(history: Sequence[Mapping[str, float]], best: Any) -> Chart:
    series = (
        Series(say("training.train"), _line(history, "train_accuracy"), "blue", "6 3"),
        Series(say("training.valid"), _line(history, "valid_accuracy"), "vermilion"),
    )
    svg = line_chart(
        _epochs(history),
        Axis.shares(say("training.share_axis")),
        series,
        description=say("training.accuracy_text"),
        marks=_marks(best),
    )
    return Chart(say("training.accuracy"), svg)


def _gap(history: Sequence[Mapping[str, float]], best: Any) -> Chart:
    points = _line(history, "gap", 100)
    at_best = next((gap for epoch, gap in points if epoch == best), float("nan"))
    svg = line_chart(
        _epochs(history),
        Axis.of(say("training.gap_axis"), [gap for _, gap in points]),
        (Series("", points, "ink", marker="dot"),),
        description=say("training.gap_text", gap=number_text(at_best, "{:+.1f}")),
        marks=_marks(best),
    )
    return Chart(say("training.gap"), svg, say("training.gap_means"))


def _scores(history: Sequence[Mapping[str, float]], best: Any) -> Chart:
    series = (
        Series("F1", _line(history, "f1"), "green"),
        Series("AUC", _line(history, "auc"), "orange", "6 3"),
    )
    y = Axis(say("training.score_axis"), 0, 1, tuple((n / 5, f"{n / 5:g}") for n in range(6)))
    svg = line_chart(
        _epochs(history), y, series, description=say("training.scores_text"), marks=_marks(best)
    )
    return Chart(say("training.scores"), svg)


def _marks(best: Any) -> tuple[float, ...]:
    return (float(best),) if best else ()


def _history_table(history: Sequence[Mapping[str, float]]) -> TableData:
    columns = [(name, form) for name, form in _HISTORY if name in history[0]]
    rows = tuple(tuple(number_text(row[name], form) for name, form in columns) for row in history)
    return TableData(say("training.table"), tuple(_column_title(name) for name, _ in columns), rows)


def _column_title(name: str) -> str:
    return name.replace("valid_", "validation_").replace("_", " ")
