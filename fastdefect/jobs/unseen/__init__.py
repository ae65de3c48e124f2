"""Parts of ``evaluate --unseen-types``: trainings without a type of defect, and its escapes."""
