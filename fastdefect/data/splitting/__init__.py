"""Sides, folds and subsets of the photos, by whole parts."""
