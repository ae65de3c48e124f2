"""Photos as other programs leave them, from the command line."""

import shutil
from pathlib import Path

import pytest
from helpers.cli import invoke, run_fit
from helpers.layouts import lay_out


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FASTDEFECT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def mvtec(root: Path) -> Path:
    files = {f"train/good/{n:02d}.png": n for n in range(12)}
    files |= {f"test/good/{n:02d}.png": 20 + n for n in range(4)}
    files |= {f"test/crack/{n:02d}.png": 40 + n for n in range(12)}
    masks = {f"ground_truth/crack/{n:02d}_mask.png!": None for n in range(12)}
    return lay_out(root, {**files, **masks, "extra/1.png": 90})


def one_line(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("command", ["fit", "split"])
def test_a_split_for_good_parts_only_is_refused_before_reading(
    tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = invoke(command, str(mvtec(tmp_path / "data")))
    assert result.exit_code == 1
    text = one_line(result.output)
    assert "MVTec AD" in text
    assert "--learn good" in text
    assert "--resplit" in text
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_audit_reads_it_and_names_what_is_absent_and_left_out(tmp_path: Path) -> None:
    result = invoke("audit", str(mvtec(tmp_path / "data")), "--out", str(tmp_path / "audit"))
    assert result.exit_code == 0, result.output
    text = one_line(result.output)
    assert "Layout: MVTec AD" in text
    assert "absent_class" in text
    assert "1 photo not used, in extra/: beside the folders test and train" in text


def test_a_zip_is_trained_on_and_evaluated_where_the_cache_is_gone(
    tmp_path: Path, cache: Path
) -> None:
    archive = shutil.make_archive(str(tmp_path / "parts"), "zip", mvtec(tmp_path / "data"))
    shutil.rmtree(tmp_path / "data")
    fit = run_fit(Path(archive), tmp_path / "runs", "--resplit", "--parts", "none", "--epochs", "1")
    text = one_line(fit.output)
    assert "(unpacked from parts.zip); --resplit ignores its split." in text
    assert "28 photos in parts: crack 12, good 16" in text
    assert "! 1 photo not used, in extra/" in text
    shutil.rmtree(cache)
    result = invoke("evaluate", str(fit.folder))
    assert result.exit_code == 0, result.output


def test_labels_in_names_by_the_pattern_that_the_error_proposes(tmp_path: Path) -> None:
    names = {
        f"{label}_{n}.png": n + 50 * k for k, label in enumerate(("OK", "NG")) for n in range(5)
    }
    data, out = lay_out(tmp_path / "data", names), tmp_path / "split.csv"
    refused = invoke("split", str(data), "--out", str(out))
    assert refused.exit_code == 1
    assert "--label-from '^([A-Za-z]+)'" in one_line(refused.output)
    assert not out.exists()
    result = invoke("split", str(data), "--out", str(out), "--label-from", "^([A-Za-z]+)")
    assert result.exit_code == 0, result.output
    assert "10 photos in data: NG 5, OK 5" in one_line(result.output)


def test_a_file_that_split_wrote_is_named_with_what_it_does_not_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = lay_out(
        tmp_path / "data",
        {f"{c}/{n}.png": n + 9 * k for k, c in enumerate(("ok", "ng")) for n in range(5)},
    )
    monkeypatch.chdir(data)
    assert invoke("split", ".", "--parts", "none").exit_code == 0
    text = (data / "split.csv").read_text(encoding="utf-8")
    (data / "split.csv").write_text(text.replace(",train,", ",unused,", 1), encoding="utf-8")
    lay_out(data, {"ok/new.png": 99})
    result = invoke("split", ".", "--parts", "none", "--out", "again.csv")
    assert result.exit_code == 0, result.output
    words = one_line(result.output)
    assert "Layout: a table, split.csv" in words
    assert "The class folders beside it are not used; they would give ng 5, ok 6." in words
    assert "1 photo not used, in ok/: below the folder of split.csv, but not listed in it" in words
    assert "1 photo not used, in ng/: of the split 'unused'" in words
