"""Procedural table-top scenes with exact truth: for tests, for the bundled scene, and to train the bundled encoder."""
