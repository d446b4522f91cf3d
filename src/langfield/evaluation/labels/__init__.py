"""Labels: what is where in a scene's photos, from every layout of files that is known."""
