"""The columns of a table of photos, by the names that are usual for them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_NAMES: Mapping[str, tuple[str, ...]] = {
    "path": (
        *("path", "file", "filename", "file_name", "filepath", "file_path"),
        *("image", "image_path", "image_name", "image_file", "img", "img_path", "photo"),
    ),
    "label": ("label", "class", "target", "category"),
    "split": ("split", "set", "subset"),
    "part": ("part",),
    "mask": ("mask", "mask_path"),
}
# The first of these is taken if none of the above is there: it may be something else.
_RARE: Mapping[str, tuple[str, ...]] = {
    "path": ("image_id", "imageid", "filepaths", "filenames", "imagename", "name", "id"),
    "label": (
        *("labels", "class_name", "classname", "class_label", "label_name", "class_id", "classid"),
        *("defect_class", "classification", "result", "quality"),
    ),
}
# Two corners, or a corner with width and height; in pixels of the upright photo.
_CORNERS = (("xmin", "ymin", "xmax", "ymax"), ("x1", "y1", "x2", "y2"))
_SIZED = ("x", "y", "w", "h")


class AmbiguousColumnsError(Exception):
    """Several columns could be the one; ``role`` is path, label, ..., ``names`` are theirs."""

    def __init__(self, role: str, names: Sequence[str]) -> None:
        super().__init__(f"Expected one column for the {role}, but found {', '.join(names)}")
        self.role = role
        self.names = tuple(names)


@dataclass(frozen=True)
class Columns:
    """Which column has what, by the names in the header; None for a column that is absent."""

    path: str
    label: str | None
    split: str | None
    part: str | None
    mask: str | None
    box: tuple[str, str, str, str] | None
    corners: bool

    @property
    def plain(self) -> bool:
        """Whether path and label are called so: then the table certainly lists photos."""
        return (self.path, self.label) == ("path", "label")

    @property
    def used(self) -> tuple[str, ...]:
        """The columns that are not kept as further columns of a photo."""
        return tuple(n for n in (self.path, self.label, self.split, self.part) if n is not None)


def find_columns(header: Sequence[str]) -> Columns | None:
    """The columns of a header in lower case; None if no column has paths.

    The name of the role itself (``path``, ``label``) is preferred to all others. Raises
    ``AmbiguousColumnsError`` if several others are there, or one twice.
    """
    found = {role: _column(role, header) for role in _NAMES}
    path = found["path"]
    if path is None:
        return None
    corners = next((names for names in _CORNERS if set(names) <= set(header)), None)
    box = _SIZED if set(_SIZED) <= set(header) else corners
    return Columns(
        path,
        found["label"],
        found["split"],
        found["part"],
        found["mask"],
        box,
        corners=box is not None and box == corners,
    )


def plain_name(cell: str) -> str:
    """The name of a column as it is compared: ``Image Path`` is ``image_path``."""
    return re.sub(r"[\s-]+", "_", cell.strip().casefold())


def usual_names(role: str) -> str:
    """The names that are known for a role, for an error."""
    return ", ".join(_NAMES[role])


def _column(role: str, header: Sequence[str]) -> str | None:
    names = [name for name in header if plain_name(name) in _NAMES[role]]
    exact = [name for name in names if name == role]
    rare = [name for known in _RARE.get(role, ()) for name in header if plain_name(name) == known]
    chosen = exact or names or rare[:1]
    if len(chosen) > 1:
        raise AmbiguousColumnsError(role, chosen)
    return chosen[0] if chosen else None
