"""Samplers: where along rays a radiance field is asked. `base` says what one is, and each has a module of its own."""
