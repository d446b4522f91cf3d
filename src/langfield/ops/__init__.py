"""The hot operations: one function each, a fast path and a plain-torch reference of the same signature."""
