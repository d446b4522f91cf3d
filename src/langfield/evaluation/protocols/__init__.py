"""Protocols: which phrases are asked where, and how the answers are compared with the ground truth."""
