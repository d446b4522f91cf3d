"""Formats of files that scenes come in, a module each."""
