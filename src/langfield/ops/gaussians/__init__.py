"""Projecting, rasterising and lifting of 3D Gaussians, and the small operations of their training.

`X.py` has the public functions of an operation, `X_reference.py` its plain-torch reference, `X_triton.py` or
`X_gsplat.py` its CUDA path.
"""
