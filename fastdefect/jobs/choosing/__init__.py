"""The parts of threshold."""
