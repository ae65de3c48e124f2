"""The parts of every training, from its settings to its final report."""
