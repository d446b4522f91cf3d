"""Protocols: what is asked of a run, and how the answers are counted."""
