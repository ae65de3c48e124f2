"""From a trained model to figures: predictions, metrics, test-time augmentation, targets."""
