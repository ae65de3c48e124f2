"""The trackers that can be chosen with ``--log``. Each is declared once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from types import MappingProxyType
from typing import TYPE_CHECKING

from fastdefect.errors import UsageError

if TYPE_CHECKING:
    from fastdefect.tracking.tracker import Opening, Tracker

NONE = "none"


@dataclass(frozen=True)
class Library:
    """A tracker: its title, the package that it needs, and the function that opens a run.

    The extra of fastdefect that installs the package has the same name as the package.
    ``keeps_files``: whether it stores any file of a run.
    """

    title: str
    package: str
    open_run: "Callable[[Opening], Tracker]"
    keeps_files: bool

    @property
    def is_installed(self) -> bool:
        """Whether the package is installed; it is not imported."""
        return find_spec(self.package) is not None

    @property
    def how_to_install(self) -> str:
        """A sentence with the command that installs the package."""
        return f'Install it: python -m pip install "fastdefect[{self.package}]"'


def _open_mlflow(opening: "Opening") -> "Tracker":
    from fastdefect.tracking.mlflow import MlflowRun

    return MlflowRun(opening)


def _open_tensorboard(opening: "Opening") -> "Tracker":
    from fastdefect.tracking.tensorboard import TensorboardRun

    return TensorboardRun(opening)


def _open_wandb(opening: "Opening") -> "Tracker":
    from fastdefect.tracking.wandb import WandbRun

    return WandbRun(opening)


TRACKERS: Mapping[str, Library] = MappingProxyType(
    {
        "mlflow": Library("MLflow", "mlflow", _open_mlflow, keeps_files=True),
        "tensorboard": Library("TensorBoard", "tensorboard", _open_tensorboard, keeps_files=False),
        "wandb": Library("Weights & Biases", "wandb", _open_wandb, keeps_files=True),
    }
)


def parse_trackers(given: Sequence[str] | None) -> tuple[str, ...] | None:
    """The names in ``--log``, repeated or separated by commas; None if the option is not given.

    ``none`` gives no names. Raises ``UsageError`` for an unknown tracker, or one that is not
    installed.
    """
    if not given:
        return None
    names = [name.strip().lower() for text in given for name in text.split(",") if name.strip()]
    for name in names:
        if name not in (*TRACKERS, NONE):
            raise UsageError(
                f"--log {','.join(given)}: expected a tracker, but got {name!r}.",
                f"Choose from {', '.join(TRACKERS)}, or {NONE}.",
            )
    if NONE in names and len(set(names)) > 1:
        raise UsageError(
            f"--log {','.join(given)}: {NONE} and the name of a tracker exclude each other.",
            f"Remove {NONE}, or the other names.",
        )
    chosen = tuple(name for name in TRACKERS if name in names)
    for name in chosen:
        library = TRACKERS[name]
        if not library.is_installed:
            raise UsageError(
                f"--log {name} needs the package {library.package}, which is not installed.",
                library.how_to_install,
            )
    return chosen
