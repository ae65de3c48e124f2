"""Tables, plots and sheets of photos, by command."""
