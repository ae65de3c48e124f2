"""Parts of the queue commands: from the answers of people to labelled photos."""
