"""Shortcut probes: small models that predict the class from everything except the part.

Each aspect of the photos (border, light, file) has its own model, cross-validated with whole
parts. Its AUC is compared with that of the same model on shuffled labels. An AUC well above those
indicates a shortcut: a network may use it too, be correct for the wrong reason, and fail on
another background.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fastdefect.aliases import Floats, Interval
from fastdefect.data.audit.appearance import Appearance
from fastdefect.data.audit.shortcut_features import ASPECTS, ring_and_interior, tables_of
from fastdefect.data.audit.shortcut_probe import (
    FOLDS,
    Indices,
    Trial,
    areas_under_roc,
    predict_scores,
    trial_of,
    try_table,
)
from fastdefect.data.findings import SEVERITIES, Check, Finding, Severity
from fastdefect.data.photos import Photo
from fastdefect.data.sampling import shuffled_by_class

# ``reporting/plots/shortcuts.py`` draws it with all its probes, so it is not among the worst cases.
SHORTCUT = Check(
    "shortcut",
    "error",
    rank=30,
    meaning="the class can be predicted without the part",
    form="AUC {:.2f}",
)

_MOST_PHOTOS, _MOST_CLASSES = 4000, 30
# Far above the shuffles: the minimum distance in standard deviations or, if few photos make the
# AUCs so coarse that none can reach it, above all of several hundred shuffles. By chance, 1 or 2
# sets in 100 have such a probe.
_FAR, _RARE = 3.0, 1 / 400
_CLEAR, _GRAVE = 0.6, 0.8  # for the lower end of an AUC's interval
_GREY = 1.0  # maximum mean distance from grey of a grey photo
_ONE_SURFACE = 0.9  # the AUC of border against interior below which they are one surface


@dataclass(frozen=True)
class Probe:
    """How well the class can be predicted from one aspect other than the part.

    ``what`` describes the input of the probe ``name``. ``auc`` is cross-validated with whole
    parts: the mean over folds, each weighted by its pairs of photos. It is that of the second
    class or, for more than two classes, the mean of each against the rest. ``interval`` is its
    95 % bootstrap interval over parts. ``shuffled`` is the mean AUC with labels shuffled between
    parts, ``shuffled_interval`` the middle 95 % of those, and ``excess`` the distance of the AUC
    from their mean in their standard deviations. ``p_value`` is the share of the shuffles, with
    the true labels counted as one more, with an AUC as high. If the photos do not differ
    (``constant``), all AUCs are 0.5.

    ``photos`` and ``parts`` are the numbers used. ``limit`` is the highest severity of a finding,
    ``note`` is added to its message.
    """

    name: str
    what: str
    auc: float
    interval: Interval
    shuffled: float
    shuffled_interval: Interval
    excess: float
    p_value: float
    constant: bool
    photos: int
    parts: int
    limit: Severity = "error"
    note: str = ""

    @property
    def tells(self) -> bool:
        """Whether the class can be predicted: better than chance, and by a relevant amount."""
        beyond = self.excess >= _FAR or self.p_value <= _RARE
        return beyond and self.auc > self.shuffled_interval[1] and self.interval[0] > _CLEAR


def probe_shortcuts(
    photos: Sequence[Photo],
    looks: Sequence[Appearance],
    parts: Sequence[str],
    classes: Sequence[str],
    *,
    seed: int,
) -> list[Probe]:
    """One probe for each aspect of the photos; first the aspects that are visible to a model.

    ``looks`` and ``parts`` are those of ``photos``; the labels are among ``classes``. Classes of
    fewer than 5 parts are excluded. If fewer than two classes remain, the list is empty. Beyond
    4,000 photos or 30 classes, a subsample is used. Deterministic for a given seed.

    Raises ``ValueError`` if the lengths differ.
    """
    if not len(photos) == len(looks) == len(parts):
        raise ValueError(
            f"Expected an appearance and a part for each photo, got {len(looks)} and {len(parts)} "
            f"for {len(photos)} photos"
        )
    names = {name: i for i, name in enumerate(classes)}
    label = np.array([names[photo.label] for photo in photos], np.int64)
    part = np.unique(np.array(parts, str), return_inverse=True)[1].astype(np.int64)
    chosen = _chosen(label, part, seed)
    if not chosen.size:
        return []
    photos, looks = [photos[i] for i in chosen], [looks[i] for i in chosen]
    trial = trial_of(label[chosen], part[chosen], seed)
    tables = tables_of(photos, looks)
    probes = [_probe(name, ASPECTS[name].what, table, trial) for name, table in tables.items()]
    one_surface = _is_one_surface(looks, trial)
    return [_judged(probe, probes, photos, looks, one_surface) for probe in probes]


def probe_table(
    what: str, table: Floats, label: Indices, parts: Sequence[str], *, seed: int
) -> Probe | None:
    """How well a ``table`` (n_photos, n_columns), which describes ``what``, predicts the class.

    ``label`` and ``parts`` (n_photos,) are those of the photos. Photos and classes are left out as
    in ``probe_shortcuts``; None if fewer than two classes remain.
    """
    part = np.unique(np.array(parts, str), return_inverse=True)[1].astype(np.int64)
    chosen = _chosen(label, part, seed)
    if not chosen.size:
        return None
    return _probe(what, what, table[chosen], trial_of(label[chosen], part[chosen], seed))


def _chosen(label: Indices, part: Indices, seed: int) -> Indices:
    """The photos to use, ascending: equally many of each class where possible."""
    pairs = np.unique(np.stack([label, part]), axis=1)
    kinds, counts = np.unique(pairs[0], return_counts=True)
    largest = np.argsort(-counts, kind="stable")[:_MOST_CLASSES]
    kinds = kinds[largest][counts[largest] >= FOLDS]
    if len(kinds) < 2:
        return np.array([], np.int64)
    if np.isin(label, kinds).sum() <= _MOST_PHOTOS:
        return np.flatnonzero(np.isin(label, kinds))
    share = _MOST_PHOTOS // len(kinds)
    drawn = shuffled_by_class(label.tolist(), kinds.tolist(), seed)
    return np.array(sorted(place for places in drawn for place in places[:share]), np.int64)


def _probe(name: str, what: str, table: Floats, trial: Trial) -> Probe:
    photos, parts = len(trial.part), trial.n_parts
    if not table.size:
        even = (0.5, 0.5)
        return Probe(name, what, 0.5, even, 0.5, even, 0.0, 1.0, True, photos, parts)
    outcome = try_table(table, trial)
    return Probe(
        name,
        what,
        outcome.auc,
        outcome.interval,
        outcome.shuffled,
        outcome.shuffled_interval,
        outcome.excess,
        outcome.p_value,
        False,
        photos,
        parts,
    )


def _is_one_surface(looks: Sequence[Appearance], trial: Trial) -> bool:
    """Whether the part fills the photos: border and interior cannot be distinguished."""
    ring, interior = ring_and_interior(looks, trial.seed)
    table, n = np.vstack([ring, interior]), len(looks)
    target = (np.arange(2 * n) < n)[None]
    train, test = trial.folds[0]
    folds = [(np.concatenate([train, train + n]), np.concatenate([test, test + n]))]
    scores = predict_scores(table, target, folds, trial.seed)
    return bool(areas_under_roc(scores, target, folds)[0] < _ONE_SURFACE)


# ---- what is reported


def _judged(
    probe: Probe,
    probes: Sequence[Probe],
    photos: Sequence[Photo],
    looks: Sequence[Appearance],
    one_surface: bool,
) -> Probe:
    """Return the probe with its final limit and note."""
    aspect = ASPECTS[probe.name]
    limit, note = aspect.limit, aspect.note
    telling = {other.name for other in probes if other.tells}
    if aspect.surface and one_surface:
        limit = "info"
        note = "Border and interior look alike: the part fills the photo, and this may be the part."
    if probe.name == "mode" and _look_grey(photos, looks):
        limit, note = "info", "All photos are grey, so that a model sees no difference."
    hidden = any(photo.facts.kind == "WebP" for photo in photos)
    if probe.name == "file size" and not hidden and not telling & {"dimensions", "compression"}:
        limit = "info"
        note = (
            "Dimensions and compression do not reveal the class, so the size only reflects the "
            "amount of detail in a photo, including that of a defect."
        )
    return replace(probe, limit=limit, note=note)


def _look_grey(photos: Sequence[Photo], looks: Sequence[Appearance]) -> bool:
    """Whether all photos are grey, in grey or in colour files."""
    plain = all(photo.facts.mode in ("L", "RGB") for photo in photos)
    return plain and all(look.colour <= _GREY for look in looks)


def shortcut_findings(probes: Sequence[Probe], photos: Sequence[Photo]) -> list[Finding]:
    """A finding ``shortcut`` for each probe that predicts the class, most severe first.

    It is an error if the interval of the AUC is above 0.8 and a warning if it is above 0.6,
    unless the ``limit`` of the probe is less severe. The value is the AUC.
    """
    found = []
    for probe in probes:
        if not probe.tells:
            continue
        level: Severity = "error" if probe.interval[0] >= _GRAVE else "warning"
        severity = max(level, probe.limit, key=SEVERITIES.index)
        message = _message(probe, severity, len(photos))
        found.append(
            SHORTCUT.finding(message, probe.auc, interval=probe.interval, severity=severity)
        )
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))


def _message(probe: Probe, severity: Severity, photos: int) -> str:
    share = f", on {probe.photos:,} of {photos:,} photos" if probe.photos < photos else ""
    sentences = [
        f"The class can be predicted from {probe.what} alone: AUC {probe.auc:.2f} "
        f"[{probe.interval[0]:.2f}, {probe.interval[1]:.2f}], with shuffled labels "
        f"{probe.shuffled:.2f} [{probe.shuffled_interval[0]:.2f}, "
        f"{probe.shuffled_interval[1]:.2f}]{share}.",
        probe.note,
        ASPECTS[probe.name].advice if severity != "info" else "",
    ]
    return " ".join(sentence for sentence in sentences if sentence)
