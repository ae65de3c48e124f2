"""The work of each command, from its settings to its files, without screen or flags."""
