"""Labels: the ground truth of phrases in a scene's photos, read from every known layout of files."""
