"""What is done in which order: from photos to a run, from a run to another one, the demo."""
