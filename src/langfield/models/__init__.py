"""Models: what a scene is held as, how it learns, and how it is asked; one protocol (base) and a folder a family."""
