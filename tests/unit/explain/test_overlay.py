"""The picture of a heat map."""

import numpy as np
from helpers.explained import SIZE, spotted

from fastdefect.explain.overlay import colours_of, overlay, to_show, with_legend

GREY = np.full((SIZE, SIZE, 3), 120, np.uint8)


def test_colour_is_only_where_the_evidence_is() -> None:
    values = np.zeros((SIZE, SIZE), np.float32)
    values[10:20, 10:20] = 1
    found = overlay(GREY, values).astype(int)
    spread = np.ptp(found, axis=2)
    assert spread[12:18, 12:18].min() > 30
    assert spread[30:, 30:].max() == 0


def test_weak_evidence_has_no_line() -> None:
    values = np.zeros((SIZE, SIZE), np.float32)
    values[10:40, 10:40] = 0.2
    assert not (overlay(GREY, values) > 200).all(axis=2).any()
    assert (overlay(GREY, 2 * values) > 200).all(axis=2).any()


def test_colours_get_brighter() -> None:
    colours = colours_of(np.linspace(0, 1, 11, dtype=np.float32))
    luminance = colours @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(luminance) > 0).all()


def test_a_warning_adds_a_line_and_names_itself() -> None:
    values = np.zeros((SIZE, SIZE), np.float32)
    plain = with_legend(GREY, overlay(GREY, values), ["name"], full="full")
    warned = with_legend(GREY, overlay(GREY, values), ["name"], full="full", warning="not checked")
    assert warned.shape[0] > plain.shape[0]
    assert plain.shape[1] >= 2 * SIZE


def test_long_names_are_wrapped_in_any_letters() -> None:
    values = np.zeros((SIZE, SIZE), np.float32)
    name = "部品 ä " + "word " * 60 + "x" * 500
    found = with_legend(spotted(3, 3), overlay(GREY, values), [name], full="full")
    assert found.shape[0] > SIZE + 60


def test_a_large_photo_is_shown_small_in_its_shape() -> None:
    assert to_show(np.zeros((600, 1200, 3), np.uint8)).shape == (240, 480, 3)
    assert to_show(GREY) is GREY
