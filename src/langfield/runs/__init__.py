"""The run directory: what a training leaves on disk, how it is written so that a crash cannot tear it, and read."""
