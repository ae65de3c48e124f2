"""Folders of files for tests of what is listed and read."""

from pathlib import Path

from fastdefect.data.photos import Listing
from fastdefect.data.reading.manifest import Manifest
from helpers.encode import encode, picture

PHOTO = encode(picture(12, 16), "PNG")


def lay_out(root: Path, files: dict[str, bytes | str | int]) -> Path:
    """Write files by their names; a number makes that photo different from others."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, int):
            path.write_bytes(encode(picture(12, 16, seed=content), "PNG"))
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def classes(n: int = 2) -> dict[str, bytes | str | int]:
    """``n`` different photos of each of two classes."""
    return {f"{c}/{i}.png": 100 * k + i for k, c in enumerate(("crack", "good")) for i in range(n)}


def names(listing: Listing) -> list[str]:
    return [entry.name for entry in listing.entries]


def kinds(found: Listing | Manifest) -> dict[str, object]:
    return {finding.kind: finding for finding in found.findings}


# ---- a CSV -------------------------------------------------------------------------------


def table(tmp_path: Path, text: str | bytes, name: str = "photos.csv") -> Path:
    lay_out(tmp_path, {"img/a.png": 1, "img/b.png": 2, name: text})
    return tmp_path


PLAIN = "path,label,part,split\nimg/a.png,good,7,train\nimg/b.png,crack,,\n"
