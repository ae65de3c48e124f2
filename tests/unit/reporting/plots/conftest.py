"""Most tests read the artists of a figure: they need no drawing, which takes a second each."""

from helpers.plots import drawn_for_real, plots_left_blank, slow_tests_draw

__all__ = ["drawn_for_real", "plots_left_blank", "slow_tests_draw"]
