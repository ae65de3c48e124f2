from pathlib import Path

import pytest
from helpers.layouts import lay_out

from fastdefect.data.reading.layouts.tree import is_output_folder, stream_photos, walk
from fastdefect.data.reading.manifest import list_photos, read_photos
from fastdefect.errors import DataError


def test_files_and_folders_by_name(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    lay_out(tmp_path, {"b/1.png": 1, "b/c/2.JPG": 2, "notes.TXT": "x", ".git/3.png": 3})
    tree = walk(tmp_path)
    assert list(tree.photos) == ["b/1.png", "b/c/2.JPG"]
    assert tree.photos["b/1.png"] == tmp_path / "b" / "1.png"
    assert list(tree.others) == ["notes.TXT"]
    assert tree.top_folders() == ["b", "empty"]
    assert tree.top_folders("b") == ["b/c"]
    assert tree.file("notes.txt") == tmp_path / "notes.TXT"
    assert tree.file("other.txt") is None


def test_output_of_this_program_is_left_out_with_the_folder_that_has_nothing_else(
    tmp_path: Path,
) -> None:
    run = {"run.json": "{}", "config.toml": "", "curves.png": 1}
    lay_out(tmp_path / "runs" / "one", run)
    assert walk(tmp_path).folders == []
    lay_out(tmp_path, {"runs/photo.png": 2})
    assert list(walk(tmp_path).photos) == ["runs/photo.png"]
    assert list(walk(tmp_path / "runs" / "one").photos) == ["curves.png"]  # where it is asked for


def test_links_that_lead_to_themselves_are_no_folders(tmp_path: Path) -> None:
    lay_out(tmp_path, {"ok/1.png": 1, "crack/2.png": 2})
    for name, target in (("a", "a"), ("b", "c"), ("c", "b"), ("d.png", "d.png")):
        (tmp_path / "ok" / name).symlink_to(tmp_path / "ok" / target)
    tree = walk(tmp_path)
    assert list(tree.photos) == ["crack/2.png", "ok/1.png", "ok/d.png"]
    assert list(tree.others) == ["ok/a", "ok/b", "ok/c"]
    assert tree.folders == ["crack", "ok"]


def test_links_that_lead_to_themselves_are_findings(tmp_path: Path) -> None:
    lay_out(tmp_path, {"ok/1.png": 1, "crack/2.png": 2})
    for name in ("ok/a", "ok/d.png", "photos.csv", "loop"):
        (tmp_path / name).symlink_to(tmp_path / name)
    manifest = read_photos(list_photos(tmp_path), good=("ok",))
    assert [photo.name for photo in manifest.photos] == ["crack/2.png", "ok/1.png"]
    found = {finding.kind: finding.paths for finding in manifest.findings}
    assert found["not_a_photo"] == ("ok/a",)
    assert found["unreadable"] == ("ok/d.png",)


def test_a_link_to_a_folder_around_it_is_followed_once(tmp_path: Path) -> None:
    lay_out(tmp_path, {"ok/1.png": 1})
    (tmp_path / "ok" / "again").symlink_to(tmp_path)
    assert list(walk(tmp_path).photos) == ["ok/1.png"]


def test_photos_one_folder_at_a_time_are_those_of_the_walk(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "photos", tmp_path / "elsewhere"
    lay_out(elsewhere, {"9.png": 9})
    lay_out(root, {"ok/1.png": 1, "a.PNG": 2, "ok/inner/2.jpg": 3, "ok/notes.txt": "x"})
    lay_out(root, {".hidden.png": 4, ".trash/5.png": 5, "ok/Thumbs.db": "x"})
    lay_out(root / "runs" / "one", {"run.json": "{}", "config.toml": "", "curves.png": 6})
    lay_out(root / "audits", {"findings.json": "[]", "findings.csv": "", "sheet.png": 7})
    (root / "linked").symlink_to(elsewhere)
    (root / "ok" / "again").symlink_to(root)
    (root / "ok" / "broken.png").symlink_to(root / "gone.png")
    walked = list(walk(root).photos.items())
    assert [(name, path) for name, path, _ in stream_photos(root)] == walked
    assert [name for name, _ in walked] == [
        "a.PNG",
        "linked/9.png",
        "ok/1.png",
        "ok/broken.png",
        "ok/inner/2.jpg",
    ]
    assert {problem for _, _, problem in stream_photos(root)} == {""}


def test_a_folder_with_only_one_of_the_marks_is_no_output(tmp_path: Path) -> None:
    lay_out(tmp_path, {"run.json": "{}", "findings.csv": ""})
    assert not is_output_folder(tmp_path)
    lay_out(tmp_path, {"findings.json": "[]"})
    assert is_output_folder(tmp_path)


def _linked_to_each_other(root: Path, folders: int) -> None:
    for number in range(folders):
        folder = root / f"d{number}"
        folder.mkdir()
        (folder / "a.png").write_bytes(b"")
        for other in range(folders):
            (folder / f"to{other}").symlink_to(root / f"d{other}")


def test_links_that_multiply_the_ways_are_refused(tmp_path: Path) -> None:
    # Without a limit, ten such folders have ten million ways, none of which is a circle.
    _linked_to_each_other(tmp_path, 6)
    with pytest.raises(DataError, match="More than 64 links lead to the folder .*/d"):
        walk(tmp_path)
    with pytest.raises(DataError, match="More than 64 links"):
        list(stream_photos(tmp_path))
    assert len(walk(tmp_path, lenient=True).photos) < 64 * 6 * 2


def test_a_few_links_to_a_folder_are_followed(tmp_path: Path) -> None:
    _linked_to_each_other(tmp_path, 3)
    found = list(walk(tmp_path).photos)
    assert found == [name for name, _, _ in stream_photos(tmp_path)]
    assert "d0/to1/to2/a.png" in found
    assert "d0/to1/to0/a.png" not in found  # a circle


def test_folders_that_are_too_deep_are_refused(tmp_path: Path) -> None:
    folder = tmp_path
    for _ in range(102):
        folder = folder / "a"
        folder.mkdir()
    with pytest.raises(DataError, match="is more than 100 folders deep"):
        walk(tmp_path)
    with pytest.raises(DataError, match="is more than 100 folders deep"):
        list(stream_photos(tmp_path))
    assert walk(tmp_path, lenient=True).photos == {}
