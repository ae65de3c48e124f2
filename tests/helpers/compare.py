"""Are two runs the same, to the bit?"""

from pathlib import Path

from safetensors.numpy import load_file

from fastdefect.files import read_csv


def assert_same_run(one: Path, other: Path) -> None:
    """Weights, last state if kept, and history are bit-identical; only the seconds may differ."""
    kept = (one / "checkpoint.safetensors").exists()
    assert kept == (other / "checkpoint.safetensors").exists()
    for name in ("model.safetensors", *(("checkpoint.safetensors",) if kept else ())):
        first, second = load_file(one / name), load_file(other / name)
        assert first.keys() == second.keys()
        different = [key for key in first if first[key].tobytes() != second[key].tobytes()]
        assert different == [], f"{name}: {different[:5]}"
    assert history_without_time(one) == history_without_time(other)
    for name in ("metrics.json", "predictions-valid.csv", "predictions-train.csv", "split.csv"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def history_without_time(run: Path) -> list[dict[str, str]]:
    """The rows of ``history.csv`` but for their seconds, as text: equal means bit-identical."""
    return [
        {key: value for key, value in row.items() if key != "seconds"}
        for row in read_csv(run / "history.csv")
    ]
