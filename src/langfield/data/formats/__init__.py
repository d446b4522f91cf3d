"""The files that scenes are read from, a module for each format.

A new format of scenes is a module that makes a `SceneFormat` (`base.py` says what that is) and an entry in
`registry.SCENE_FORMATS`; nothing else knows formats by name. `photo_files.py` has what readers share;
`photo_paths.py` finds the files that a scene names, by the rules of `path_rules.py` in the index of `scene_files.py`;
`side_files.py` what lies beside them. `transforms_keys.py` knows the keys of a `transforms.json`. `ply.py` and
`splat_ply.py` read point clouds and Gaussians, which are no scenes by themselves.
"""
