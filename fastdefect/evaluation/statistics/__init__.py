"""Intervals and tests for parts with several photos."""
