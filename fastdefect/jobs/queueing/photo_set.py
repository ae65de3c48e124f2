"""A folder of labelled photos: the files, and the table that ``fit`` reads."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import mkdtemp

from fastdefect.data.photos import PRODUCT_COLUMN, VIEW_COLUMN
from fastdefect.errors import UsageError
from fastdefect.files import typed, umask, write_csv, written_to

TABLE = "photos.csv"
_IF_KNOWN = (VIEW_COLUMN, PRODUCT_COLUMN)  # columns that are left out if no photo has a value
_COLUMNS = ("path", "label", "part", *_IF_KNOWN, "split", "chosen_by", "model", "inspection")


@dataclass(frozen=True)
class SetPhoto:
    """A photo of the set: its file now, its path in the set, and its cells in the table.

    ``split`` is empty for a photo that no training knows. ``chosen_by``, ``model`` and
    ``inspection`` are empty for one that is not from a line. ``view`` and ``product`` are empty
    where they are not known.
    """

    file: Path
    path: str
    label: str
    part: str
    split: str = ""
    chosen_by: str = ""
    model: str = ""
    inspection: str = ""
    view: str = ""
    product: str = ""


def expect_new(out: Path) -> None:
    """Raise ``UsageError`` if ``out`` exists and is not an empty folder."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(
            f"--out {out}: expected a new or empty folder, but it has files.",
            f"Name another one, for example --out {typed(out.with_name(out.name + '-2'))}",
        )


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder that becomes ``out`` when the block succeeds; else nothing remains."""
    with written_to(out, folder=True):
        made = [each for each in out.parents if not each.exists()]
        out.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(mkdtemp(prefix=f".{out.name}-", dir=out.parent))
        try:
            yield partial
            partial.chmod(0o777 & ~umask())
            if out.exists():
                out.rmdir()
            partial.replace(out)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
            for parent in made:
                with suppress(OSError):  # not empty: the set is in it
                    parent.rmdir()


def add_photo(folder: Path, photo: SetPhoto) -> None:
    """Put a photo into ``folder``. ``FileNotFoundError`` if its file is gone."""
    target = folder / photo.path
    target.parent.mkdir(parents=True, exist_ok=True)
    _link_or_copy(photo.file, target)


def write_table(folder: Path, photos: Sequence[SetPhoto], *, split: bool) -> None:
    """Write the table of the photos in ``folder``; ``split``: with the column of sides."""
    unknown = {name for name in _IF_KNOWN if not any(getattr(photo, name) for photo in photos)}
    left_out = unknown if split else unknown | {"split"}
    columns = [name for name in _COLUMNS if name not in left_out]
    rows = [{name: getattr(photo, name) for name in columns} for photo in photos]
    write_csv(folder / TABLE, rows, columns)


def inside(name: str, sha256: str) -> str:
    """The path in the set of a photo that its run calls ``name``: the same, for ``compare``.

    A name that is absolute or leads upward is replaced: the photo stays inside the set.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        return f"run/{sha256[:16]}-{path.name}"
    return path.as_posix()


def _link_or_copy(source: Path, target: Path) -> None:
    """A second name of the file takes no space; another disk needs a copy."""
    try:
        os.link(source.resolve(), target)
    except FileExistsError:
        raise  # a copy would change the bytes of the other photo of this name
    except OSError:
        shutil.copyfile(source, target)
