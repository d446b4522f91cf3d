"""Projecting, blending and lifting of 3D Gaussians, and the small operations around them."""
