"""The run directory: what is in it, how it is written so that a crash cannot tear it, and how it is read."""
