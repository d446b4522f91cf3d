"""The operations that decide how fast langfield is, and the mathematics they share.

A folder holds one operation (or a family of them): a public function, a plain-torch reference of the same signature
that defines the result and runs on a CPU, and the CUDA path behind it (Triton kernels or gsplat).
"""
