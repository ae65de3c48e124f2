"""Write the page of an audit: gather its facts, choose its photos, add their pictures."""

import base64
import platform
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import tomli_w

from fastdefect import __version__
from fastdefect.config import AUDIT_SETTINGS, DataConfig
from fastdefect.data.audit.audit import Audit
from fastdefect.data.reading.images import Reading
from fastdefect.files import write_text, written_to
from fastdefect.jobs.reports.cards import Choice
from fastdefect.jobs.reports.exhibits import groups_of, pairs_of, singles_of, with_pictures
from fastdefect.reporting.html.audit import render_audit
from fastdefect.reporting.html.audit_facts import AuditFacts, Shown
from fastdefect.reporting.html.exhibits import Exhibit
from fastdefect.reporting.html.thumbnails import LIMIT

_MOST_SHOTS = 2500  # of a section; a browser lists more only slowly
_MOST = {"pairs": 30, "groups": 15, "photos": 12}  # of a finding, unless all are asked for
_PACKAGES = "numpy opencv-python-headless pillow scikit-learn scipy".split()


@dataclass(frozen=True)
class WantedPage:
    """The page that an audit writes: its file, its photos, and the command line as typed."""

    path: Path
    photos: Choice
    command: str


def write_page(
    found: Audit, config: DataConfig, seed: int, wanted: WantedPage, sheet: Path | None
) -> None:
    """Write the page of an audit; ``sheet`` is the plot of its shortcuts, if there is one.

    Raises ``UsageError`` if the file can't be written.
    """
    text = render_audit(audit_facts(found, config, seed, wanted, sheet))
    with written_to(wanted.path, option="--report"):
        write_text(wanted.path, text)


def audit_facts(
    found: Audit, config: DataConfig, seed: int, wanted: WantedPage, sheet: Path | None
) -> AuditFacts:
    """Everything that the page shows."""
    every = {"pairs": pairs_of(found), "groups": groups_of(found), "photos": singles_of(found)}
    chosen = [_chosen(of, None if wanted.photos == "all" else _MOST[n]) for n, of in every.items()]
    pictured = [tuple(of) for of in chosen]
    if wanted.photos != "none":
        paths = {photo.name: photo.path for photo in found.manifest.photos}
        # The usual page is sent by mail.
        limit = LIMIT if wanted.photos == "all" else LIMIT // 3
        pictured = with_pictures(chosen, paths, Reading.of(config), limit=limit)
    shown = {
        name: Shown(of, len(every[name]), wanted.photos == "all")
        for name, of in zip(every, pictured, strict=True)
    }
    python = {"Python": platform.python_version(), "fastdefect": __version__}
    return AuditFacts(
        found,
        config,
        pairs=shown["pairs"],
        groups=shown["groups"],
        photos=shown["photos"],
        has_pictures=wanted.photos != "none",
        sheet=_url(sheet) if sheet and wanted.photos != "none" else "",
        command=wanted.command,
        settings=_settings(config, seed),
        versions=python | {name: version(name) for name in _PACKAGES},
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        version=__version__,
    )


def _chosen(exhibits: Sequence[Exhibit], most: int | None) -> list[Exhibit]:
    """The first exhibits: at most ``most`` of each finding, and ``_MOST_SHOTS`` photos."""
    seen: Counter[str] = Counter()
    kept, shots = [], 0
    for each in exhibits:
        seen[each.kinds[0]] += 1
        shots += len(each.shots)
        if shots <= _MOST_SHOTS and (most is None or seen[each.kinds[0]] <= most):
            kept.append(each)
        else:
            shots -= len(each.shots)
    return kept


def _url(picture: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(picture.read_bytes()).decode('ascii')}"


def _settings(config: DataConfig, seed: int) -> str:
    values = {**asdict(config), "data": config.data.as_posix(), "seed": seed}
    return tomli_w.dumps(
        {name: values[name] for name in AUDIT_SETTINGS if values[name] is not None}
    )
