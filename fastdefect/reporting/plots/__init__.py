"""Plots, by command, in one style."""
