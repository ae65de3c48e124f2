"""The parts of export: the network's files, the card, and the check of the bundle."""
