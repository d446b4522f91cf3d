"""Cameras, rays, transforms, errors and progress: what every other package stands on."""
