from pathlib import Path

from helpers.layouts import lay_out

from fastdefect.data.reading.layouts.tree import walk


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
