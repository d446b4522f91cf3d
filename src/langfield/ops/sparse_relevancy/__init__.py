"""Relevancy of phrases for elements whose embeddings are sparse codes of a codebook."""
