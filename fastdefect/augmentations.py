"""The levels of ``--augment``: their changes to training photos, and the matching views.

Plain values, so that the commands can list the levels before anything heavy is imported. Each
level is declared only here. The values of ``--augment`` and its help, the pipelines of
``data/augment/pipelines.py``, ``tta-eval --views auto``, the steps of an ablation and the list in
``docs/guide.md`` are derived from it.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Change:
    """One step of a level, by the name of its function in ``data/augment/steps.py``.

    ``share`` is the share of all photos that it changes. A photo gets at most one of the steps
    with the same ``fault``. These steps are consecutive, after the steps without a fault.
    """

    step: str
    share: float = 1.0
    fault: str = ""


@dataclass(frozen=True)
class Augmentation:
    """A level of ``--augment``.

    ``about`` describes the changes in a few words. ``symmetries`` names the fixed views
    (``evaluation/views.py``) in which a training shows each part. ``steps`` are in the order in
    which a photo is formed: pose of the part, its visible area, light, camera. Noise is last, so
    that it also covers the edges of dropout.
    """

    name: str
    about: str
    symmetries: str
    steps: tuple[Change, ...]


_BASIC = (Change("poses"), Change("tilt", 0.5), Change("light", 0.5))
# A person hardly sees slight noise, blur or JPEG. Without them in training, they cause nearly all
# changed decisions: docs/benchmarks.md, a camera in the augmentation.
_CAMERA = (
    Change("defocus", 0.2, "camera"),
    Change("sensor_noise", 0.22, "camera"),
    Change("jpeg", 0.16, "camera"),
)
_ALL = (
    Augmentation("none", "no changes", "none", ()),
    Augmentation("basic", "pose, tilt and light", "dihedral", _BASIC),
    Augmentation("camera", "also blur, noise or JPEG", "dihedral", (*_BASIC, *_CAMERA)),
    # A photo gets two or three changes on average in addition to its pose. With more at once,
    # hardly any photo would be close to the original.
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
    # Two strong changes of one kind could hide a defect that each alone leaves visible (noise
    # over a blurred scratch), and a decision only has to be robust to each one: hence at most one
    # of each fault.
    Augmentation(
        "steady",
        "for a camera that drifts",
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
            *_CAMERA,
        ),
    ),
)
AUGMENTATIONS: dict[str, Augmentation] = {each.name: each for each in _ALL}
