"""Samplers: where along rays a radiance field is evaluated. `base` has the protocol, each sampler a module."""
