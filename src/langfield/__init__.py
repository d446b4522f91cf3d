"""langfield: search a 3D scene with words."""
