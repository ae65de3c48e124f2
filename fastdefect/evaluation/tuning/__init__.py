"""The search over settings: sampler, successive halving, and effects of the settings."""
