"""What a command shows: tables, plots, and sheets of photos."""
