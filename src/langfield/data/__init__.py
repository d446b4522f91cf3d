"""Scenes: photos with cameras from disk, checked before they are believed, and pixels drawn from them."""
