"""Training: the loop, its optimiser, its batches, and what it writes; it knows models only by their protocol."""
