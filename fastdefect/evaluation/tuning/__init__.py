"""A search over settings: the sampler, the halving, and what mattered."""
