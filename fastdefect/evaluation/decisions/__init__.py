"""From probabilities to decisions: calibration, thresholds and their guarantees."""
