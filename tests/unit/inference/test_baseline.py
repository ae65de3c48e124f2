"""The baseline as a member of a bundle."""

from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load, save

from fastdefect.errors import BundleError
from fastdefect.inference.baseline import Sample, baseline_bytes, read_baseline

SAMPLE = Sample(
    np.array(["secret/b", "secret/a", "secret/b"]),
    np.array([True, False, True]),
    np.array([0.1, 0.9, 0.2]),
    np.array([1.0, 2.5, 0.0]),
)


def test_round_trip_without_names() -> None:
    content = baseline_bytes(SAMPLE)
    assert b"secret" not in content
    found = read_baseline(content, "x.fdb")
    assert found.parts.tolist() == [1, 0, 1]
    assert found.passed.tolist() == [True, False, True]
    assert np.array_equal(found.p_defect, SAMPLE.p_defect)
    assert np.array_equal(found.distance, SAMPLE.distance)
    assert (len(found), found.n_parts) == (3, 2)


def test_a_distance_may_be_unknown() -> None:
    unknown = replace(SAMPLE, distance=np.array([1.0, np.nan, 0.0]))
    assert np.isnan(read_baseline(baseline_bytes(unknown), "x.fdb").distance[1])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("p_defect", np.array([0.1, np.nan, 0.2])),
        ("p_defect", np.array([0.1, 1.5, 0.2])),
        ("distance", np.array([0.1, -1.0, 0.2])),
        ("distance", np.zeros(2)),
        ("distance", np.zeros((3, 1))),
        ("distance", np.zeros(3, np.float32)),
        ("parts", np.zeros(3)),
        ("parts", np.array(3)),
        ("distance", np.array(3.0)),
        ("passed", None),
    ],
)
def test_damaged_values_are_refused(name: str, value: np.ndarray | None) -> None:
    content = load(baseline_bytes(SAMPLE))
    if value is None:
        del content[name]
    else:
        content[name] = value
    with pytest.raises(BundleError, match="x.fdb"):
        read_baseline(save(content), "x.fdb")


@pytest.mark.parametrize("content", [b"", b"nothing", baseline_bytes(SAMPLE)[:-3]])
def test_damaged_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(BundleError, match="can't be read"):
        read_baseline(content, "x.fdb")
