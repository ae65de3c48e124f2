"""What a training photo may go through, and where the background behind a part is touched."""
