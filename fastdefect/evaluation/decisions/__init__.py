"""From probabilities to decisions: calibration, thresholds, and what they guarantee."""
