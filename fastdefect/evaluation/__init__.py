"""From a trained model to metrics: predictions, decisions, statistics, robustness."""
