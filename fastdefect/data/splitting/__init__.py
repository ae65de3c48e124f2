"""Train, valid and test sides, folds and subsets of the photos, by whole parts."""
