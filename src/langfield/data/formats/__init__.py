"""The files that scenes are read from, a module for each format.

A new format of scenes is a module that makes a `SceneFormat` (`base.py` says what that is) and an entry in
`registry.SCENE_FORMATS`; nothing else knows formats by name. `photo_files.py` and `camera_faults.py` have what readers
share. `ply.py` and `splat_ply.py` read point clouds and Gaussians, which are no scenes by themselves; `ply_offset.py`
what their positions are relative to.
"""
