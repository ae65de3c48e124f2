"""The sections of the page of an audit, one function each: from the facts to blocks."""

from collections import Counter
from collections.abc import Iterable, Sequence

from fastdefect.data.audit.audit import Audit
from fastdefect.data.audit.registry import CHECKS
from fastdefect.data.audit.shortcuts import Probe
from fastdefect.data.audit.size_checks import describe_reduction
from fastdefect.data.findings import SEVERITIES, Finding
from fastdefect.evaluation.statistics.rates import upper_bound
from fastdefect.files import typed
from fastdefect.reporting.html.audit_facts import AuditFacts, Shown
from fastdefect.reporting.html.exhibits import Exhibits, Notice, Notices, Picture, in_words
from fastdefect.reporting.html.forest import Effect, forest_chart
from fastdefect.reporting.html.page import (
    Block,
    Chart,
    Grid,
    Heading,
    Listing,
    Missing,
    Row,
    Terms,
    Words,
)
from fastdefect.reporting.html.sections.evidence import counts_table
from fastdefect.reporting.html.sections.record import fingerprint
from fastdefect.reporting.html.texts import say
from fastdefect.reporting.tables.audit import figure_text, photos_text
from fastdefect.reporting.tables.table_data import TableData
from fastdefect.text import exact_percent, first

_MOST_KINDS = 8  # rows of a table of sizes or formats


def verdict(facts: AuditFacts) -> tuple[Block, ...]:
    """Whether the photos may be used, what comes first, and what they can't show."""
    found = facts.audit.findings
    grave = [each for each in found if each.severity != "info"]
    look_first = say("audit.nothing_first")
    if grave:
        top = grave[0]
        figure = " ".join(_notice(top).figures[-1:])
        look_first = say(
            "audit.first",
            kind=f"{in_words(top.kind)} ({figure})" if figure else in_words(top.kind),
            meaning=CHECKS[top.kind].meaning,
        )
    leads = (_use(facts, grave), look_first, _limit(facts.audit))
    notes: list[Block] = [Words(say("audit.blind"), "note")]
    if any(each.kind == "leak" for each in grave):
        command = f"fastdefect fit {typed(facts.config.data)} --unleak"
        notes.append(Missing(say("audit.unleak"), command))
    return (*(Words(text, "lead") for text in leads), *notes)


def _use(facts: AuditFacts, grave: list[Finding]) -> str:
    """The first sentence: what the photos may be used for."""
    numbers = {"photos": len(facts.audit.manifest.photos), "parts": facts.n_parts}
    errors = [each for each in grave if each.severity == "error"]
    if not errors:
        return say("audit.may", warnings=len(grave), **numbers)
    if all(each.kind == "leak" for each in errors):
        only_valid = errors[0].value is None
        figure = "" if only_valid else figure_text(errors[0])
        return say(
            "audit.may_train_valid" if only_valid else "audit.may_train", figure=figure, **numbers
        )
    kinds = dict.fromkeys(in_words(each.kind) for each in errors)
    return say("audit.may_not", errors=len(errors), kinds=first(list(kinds)), **numbers)


def _limit(audit: Audit) -> str:
    """The third sentence: what even the best model can't prove on these parts."""
    good, photos = set(audit.manifest.good), audit.manifest.photos
    if not good:
        return say("audit.limit_no_good")
    bad = {p for p, photo in zip(audit.parts, photos, strict=True) if photo.label not in good}
    if not bad:
        return say("audit.limit_no_defect")
    return say("audit.limit", n=len(bad), best=f"{upper_bound(0, len(bad)):.2%}")


def findings(facts: AuditFacts) -> tuple[Block, ...]:
    """Each finding with its figures, the most severe first."""
    found = facts.audit.findings
    if not found:
        return (Words(say("audit.no_findings")),)
    blocks: list[Block] = [Words(say("audit.findings_intro"), "note")]
    for severity in SEVERITIES:
        those = tuple(_notice(each) for each in found if each.severity == severity)
        if those:
            title = say(f"audit_severities.{severity}", n=len(those))
            blocks += [Heading(title), Notices(those)]
    return tuple(blocks)


def _notice(finding: Finding) -> Notice:
    photos, figure = photos_text(finding), figure_text(finding).replace("\n", " ")
    figures = [] if photos == "-" else [say("audit.n_photos", n=photos)]
    # Without a form the value is a count, which the message has with its unit.
    figures += [figure] if figure != "-" and CHECKS[finding.kind].form else []
    return Notice(finding.severity, in_words(finding.kind), tuple(figures), finding.message)


def pairs(facts: AuditFacts) -> tuple[Block, ...]:
    """Leaks and look-alikes, two photos side by side."""
    if not facts.pairs.exhibits:
        return (Words(say("audit.no_pairs")),)
    intro = (Words(say("audit.pairs_intro")), Words(say("audit.pairs_means"), "note"))
    return (*intro, *_shown(facts, facts.pairs, "pairs"))


def groups(facts: AuditFacts) -> tuple[Block, ...]:
    """The photos of each part with several."""
    if not facts.groups.exhibits:
        return (Words(say("audit.no_groups")),)
    return (Words(say("audit.groups_intro")), *_shown(facts, facts.groups, "groups"))


def photos(facts: AuditFacts) -> tuple[Block, ...]:
    """Photos that a finding names one by one: unreadable, blank, blurred, unusual."""
    if not facts.photos.exhibits:
        return (Words(say("audit.no_photos")),)
    return (Words(say("audit.photos_intro")), *_shown(facts, facts.photos, "photos"))


def _shown(facts: AuditFacts, shown: Shown, unit: str) -> list[Block]:
    blocks: list[Block] = []
    if len(shown.exhibits) < shown.total and shown.full:
        text = say("audit.full", n=len(shown.exhibits), all=shown.total)
        blocks.append(Words(text, "note"))
    elif len(shown.exhibits) < shown.total:
        text = say("audit.capped", n=len(shown.exhibits), all=shown.total)
        command = f"fastdefect audit {typed(facts.config.data)} --report audit.html --photos all"
        blocks.append(Missing(text, command))
    if not facts.has_pictures:
        blocks.append(Words(say("audit.no_pictures"), "note"))
    return [*blocks, Exhibits(unit, unit, shown.exhibits)]


def shortcuts(facts: AuditFacts) -> tuple[Block, ...]:
    """What predicts the class without the part."""
    probes = facts.audit.probes
    if not probes:
        return (Words(say("audit.no_probes")),)
    telling = [each.name for each in probes if each.tells and each.limit != "info"]
    known = (
        Words(say("audit.shortcut", n=len(telling), names=first(telling, len(telling))), "warning")
        if telling
        else Words(say("audit.no_shortcut"))
    )
    columns = tuple(say("audit.probe_columns").split("|"))
    marks = {row: "bad" for row, each in enumerate(probes) if each.tells and each.limit != "info"}
    table = TableData(say("audit.probes"), columns, tuple(map(_probe, probes)), marks=marks)
    sheet = Picture(say("audit.sheet"), facts.sheet, say("audit.sheet_text"))
    return (
        Words(say("audit.probes_intro")),
        known,
        *_forest(probes),
        Grid(table),
        *([sheet] if facts.sheet else []),
    )


def _forest(probes: Sequence[Probe]) -> list[Block]:
    """The AUC of each property with its interval, as points above chance."""
    effects = [
        Effect(
            each.name,
            100 * (each.auc - 0.5),
            (100 * (each.interval[0] - 0.5), 100 * (each.interval[1] - 0.5)),
            each.tells,
            f"AUC {each.auc:.2f}, {_interval(each.interval)}",
        )
        for each in probes
        if not each.constant
    ]
    if not effects:
        return []
    shown = "; ".join(f"{each.name}: {each.text}" for each in effects)
    text = say("audit.forest_text", shown=shown)
    svg = forest_chart(effects, label=say("audit.forest_axis"), description=text)
    return [Chart(say("audit.forest"), svg, say("audit.forest_means"))]


def _probe(probe: Probe) -> tuple[str, ...]:
    if probe.constant:
        return (probe.name, say("audit.constant"), "-", "-", "-", probe.what)
    predicts = say("audit.predicts" if probe.tells else "audit.predicts_not")
    return (
        *(probe.name, predicts, f"{probe.auc:.2f}", _interval(probe.interval)),
        *(f"{probe.shuffled:.2f} [{_interval(probe.shuffled_interval)}]", probe.what),
    )


def _interval(ends: tuple[float, float]) -> str:
    return f"{ends[0]:.2f} to {ends[1]:.2f}"


def files(facts: AuditFacts) -> tuple[Block, ...]:
    """Classes by split, sizes and formats."""
    manifest = facts.audit.manifest
    of = manifest.photos
    tables = (
        _counted("size", (f"{each.width} x {each.height}" for each in of)),
        _counted("kind", (each.facts.kind for each in of)),
        _counted("mode", (each.facts.mode for each in of)),
        _counted("camera", (each.facts.camera or say("audit.no_camera") for each in of)),
    )
    given = [] if any(each.split for each in of) else [Words(say("audit.no_split"), "note")]
    return (
        *([Words(manifest.seen)] if manifest.seen else []),
        Grid(counts_table(facts.rows, manifest.classes)),
        *given,
        Heading(say("audit.formats")),
        Words(describe_reduction(of, facts.config)),
        Row(tuple(Grid(each) for each in tables)),
    )


def _counted(what: str, values: Iterable[str]) -> TableData:
    counts = Counter(values)
    total, usual = counts.total(), counts.most_common(_MOST_KINDS)
    rest = total - sum(n for _, n in usual)
    if rest:
        usual.append((say("audit.others", n=len(counts) - len(usual)), rest))
    rows = tuple((value, f"{n:,}", exact_percent(round(n / total, 4))) for value, n in usual)
    title = say(f"audit_files.{what}")
    return TableData(title, (title.lower(), *say("audit.files_columns").split("|")), rows)


def record(facts: AuditFacts) -> tuple[Block, ...]:
    """Fingerprint, command, versions and settings."""
    rows = facts.rows
    digest = say("audit.fingerprint_text", digest=fingerprint(rows), n=len(rows))
    values = (
        (say("record.fingerprint"), digest),
        (say("record.command"), facts.command),
        (say("audit.folder"), str(facts.audit.manifest.root)),
        (say("record.versions"), ", ".join(f"{name} {v}" for name, v in facts.versions.items())),
        (say("record.report"), say("record.report_text", time=facts.time, version=facts.version)),
    )
    return (
        Terms(values),
        Listing(say("audit.settings"), facts.settings),
        Words(say("audit.files"), "note"),
    )
