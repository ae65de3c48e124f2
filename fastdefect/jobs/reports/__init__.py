"""Parts of report: the decisions, the photos and the facts that a report shows."""
