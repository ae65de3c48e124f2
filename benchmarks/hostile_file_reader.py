"""What reads the tables, settings, runs and bundles of ``hostile.py``, as the commands do."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from helpers.hostile_files import hostile_file

Case = tuple[str, bytes, Callable[[], None]]


def file_case(seed: int, index: int, folder: Path) -> Case:
    """A table, settings, annotations, weights, a checkpoint, a run folder or a bundle."""
    kind, data, read = hostile_file(seed, index)

    def in_a_folder() -> None:
        with tempfile.TemporaryDirectory(dir=folder) as place:
            read(Path(place))

    return kind, data, in_a_folder
