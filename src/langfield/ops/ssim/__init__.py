"""Structural similarity of pictures, and its gradient."""
