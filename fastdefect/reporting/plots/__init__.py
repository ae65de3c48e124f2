"""Plots by command, in a common style."""
