"""The levels of ``--augment``: what each does to training photos, and what a model learns by it.

Plain values, so that the commands know the levels before anything heavy is imported. A level is
declared here and nowhere else. The values of ``--augment`` and its help, the pipelines of
``data/augment/pipelines.py``, ``tta-eval --views auto``, the steps of an ablation and the list in
``docs/guide.md`` follow from it.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Change:
    """One step of a level: a function of ``data/augment/steps.py``, by its name.

    ``share`` is the share of all photos that it changes. Of the steps of one ``fault`` a photo
    gets one at most; they stand together, after the steps without a fault.
    """

    step: str
    share: float = 1.0
    fault: str = ""


@dataclass(frozen=True)
class Augmentation:
    """A level of ``--augment``.

    ``about`` says in a few words what training photos go through. ``symmetries`` names the fixed
    views (``evaluation/views.py``) that a model has seen of each part by the end of a training.
    ``steps`` come in the order in which a photo comes about: how the part lies, what of it is
    seen, the light, the camera. Noise last also covers the traces of the dropout.
    """

    name: str
    about: str
    symmetries: str
    steps: tuple[Change, ...]


_ALL = (
    Augmentation("none", "as they are", "none", ()),
    Augmentation(
        "basic",
        "pose, tilt and light",
        "dihedral",
        (Change("poses"), Change("tilt", 0.5), Change("light", 0.5)),
    ),
    # Beside its pose a photo gets two or three changes on average: more of them at once, and
    # hardly a plain photo is left to learn from.
    Augmentation(
        "manufacturing",
        "mild changes of all kinds",
        "dihedral",
        (
            Change("poses"),
            Change("tilt", 0.3),
            Change("elastic", 0.25),
            Change("grid", 0.25),
            Change("dropout", 0.3),
            Change("light", 0.5),
            Change("gamma", 0.2),
            Change("clahe", 0.25),
            Change("blur", 0.25),
            Change("noise", 0.3),
        ),
    ),
    # Two strong changes of one kind would bury what each leaves visible (noise over a blurred
    # scratch), and a decision need only stand each by itself: hence one of a fault at most.
    Augmentation(
        "steady",
        "against a camera that drifts",
        "dihedral",
        (
            Change("poses"),
            Change("turn", 0.5),
            Change("elastic", 0.08, "shape"),
            Change("grid", 0.08, "shape"),
            Change("dropout", 0.1, "something missing"),
            Change("exposure", 0.22, "light"),
            Change("tone_curve", 0.2, "light"),
            Change("light", 0.06, "light"),
            Change("clahe", 0.06, "light"),
            Change("defocus", 0.2, "camera"),
            Change("sensor_noise", 0.22, "camera"),
            Change("jpeg", 0.16, "camera"),
        ),
    ),
)
AUGMENTATIONS: dict[str, Augmentation] = {each.name: each for each in _ALL}
