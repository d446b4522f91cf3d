"""Training: the loop, its optimiser, its batches, and what it writes; it knows methods only by their protocol."""
