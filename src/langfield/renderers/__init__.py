"""Field + camera → picture."""
