"""What encoders make of a scene's photos: crop pyramids and dense maps, computed once, cached, and sampled."""
