"""Relevancy of phrases for elements whose embeddings are sparse codes of a codebook."""

from langfield.ops.sparse_relevancy.relevancy import sparse_relevancy, sparse_relevancy_levels

__all__ = ["sparse_relevancy", "sparse_relevancy_levels"]
