from collections.abc import Iterator
from pathlib import Path

from helpers.layouts import lay_out

from fastdefect.data.reading.layouts.class_folders import gather_folders
from fastdefect.data.reading.layouts.contents import contents_of
from fastdefect.data.reading.layouts.masks import Masks, find_masks
from fastdefect.data.reading.layouts.tree import Tree, walk


def test_what_folders_hold(tmp_path: Path) -> None:
    files = {"b/x/1.png": 1, "b/2.png": 2, "a/y/3.png": 3, "masks/b/2.png!": None}
    tables = {"t.csv": "x", "a/y/T.TSV": "x", "a/notes.txt": "x"}
    tree = walk(lay_out(tmp_path, {**files, **tables}))
    contents = contents_of(tree, find_masks(tree.photos))
    assert contents.inner("") == ("a", "b")
    assert contents.inner("b") == ("b/x",)
    assert contents.inner("b/x") == contents.inner("masks") == ()
    assert contents.with_photos == {"b", "b/x", "a/y", "masks/b"}
    assert contents.with_unmasked == {"b", "b/x", "a/y"}
    assert contents.with_tables == {"", "a/y"}


class _Counted(dict[str, Path]):
    """Photos that count how often they are passed through."""

    passes = 0

    def __iter__(self) -> Iterator[str]:
        self.passes += 1
        return super().__iter__()


def test_the_photos_are_not_passed_through_once_for_each_folder() -> None:
    passes = []
    for count in (3, 30):
        names = [f"{n}/{inner}/1.png" for n in range(count) for inner in ("one", "two")]
        folders = [f"{n}{inner}" for n in range(count) for inner in ("", "/one", "/two")]
        photos = _Counted({name: Path(name) for name in names})
        gather_folders(Tree(Path(), photos, {}, folders), Masks())
        passes.append(photos.passes)
    assert passes[0] == passes[1]
