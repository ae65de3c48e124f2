"""The options of tune."""

import pytest

from fastdefect.cli.tune import _minutes, _names
from fastdefect.errors import UsageError


def test_half_an_hour_by_default() -> None:
    assert (_minutes(None), _minutes(5.0), _minutes(0.0)) == (30.0, 5.0, 0.0)


def test_names_are_separated_by_commas() -> None:
    assert _names(None, "--archs") == ()
    assert _names("resnet18, mobilenet_v2", "--archs") == ("resnet18", "mobilenet_v2")
    for text in ("", "a,,b", "a,"):
        with pytest.raises(UsageError, match="--archs"):
            _names(text, "--archs")
