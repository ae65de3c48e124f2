"""The parts of ``fastdefect tune``: search space, plan and search."""
