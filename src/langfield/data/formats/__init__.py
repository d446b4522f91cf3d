"""The files that scenes are read from, a module for each format.

A new format of scenes is a module that makes a `SceneFormat` (`base.py` says what that is) and an entry in
`registry.SCENE_FORMATS`; nothing else knows formats by name. `photo_files.py` and `camera_faults.py` have what readers
share; `photo_paths.py` finds the files that a scene names, by the rules of `path_rules.py` in the index of
`scene_files.py`; `side_files.py` what lies beside them. `transforms_keys.py` knows the keys of a `transforms.json`.

Point clouds and Gaussians, which are no scenes by themselves, are read by `ply.py` and by `splat_files.py`, which tells
the kinds of files of Gaussians apart: `splat_ply.py`, `compressed_ply.py`, `spz.py` and `splat_records.py` read them.
`ply_offset.py` has what a PLY file's positions are relative to.
"""
