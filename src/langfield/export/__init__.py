"""Export: what a run knows as files for other programs, in the frame and units of its input files."""
