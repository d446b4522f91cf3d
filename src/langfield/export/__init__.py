"""Files for other programs: what a run knows, in the frame and units of its input."""
