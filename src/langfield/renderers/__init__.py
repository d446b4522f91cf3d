"""Field + camera → picture.

samplers  where along rays a radiance field is evaluated
volume    volume rendering of radiance fields
splat     pictures of Gaussians, by cameras with any lens
"""
