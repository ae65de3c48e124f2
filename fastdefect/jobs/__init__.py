"""What each command does, from its settings to its files. No screen, no flags."""
