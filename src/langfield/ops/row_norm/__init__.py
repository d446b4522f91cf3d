"""Layer normalisation of many narrow rows."""

from langfield.ops.row_norm.row_norm import row_norm

__all__ = ["row_norm"]
