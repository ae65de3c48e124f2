"""The options of tune, before anything is trained."""

import pytest

from fastdefect.cli.tune import _minutes, _names
from fastdefect.errors import UsageError


def test_half_an_hour_unless_said_otherwise() -> None:
    assert (_minutes(None), _minutes(5.0), _minutes(0.0)) == (30.0, 5.0, 0.0)


def test_names_have_commas_between_them() -> None:
    assert _names(None, "--archs") == ()
    assert _names("resnet18, mobilenet_v2", "--archs") == ("resnet18", "mobilenet_v2")
    for text in ("", "a,,b", "a,"):
        with pytest.raises(UsageError, match="--archs"):
            _names(text, "--archs")
