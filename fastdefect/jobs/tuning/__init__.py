"""The parts of ``fastdefect tune``: what is searched, the plan, the search."""
