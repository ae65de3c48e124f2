"""The layouts of photos on disk, one module for each; ``recognise`` has their order."""
