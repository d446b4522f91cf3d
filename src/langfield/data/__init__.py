"""Scenes: photos with cameras from disk, checked before they are believed, and pixels drawn from them.

scene           `open_scene`: a folder → a `Scene`
scene_path      whether its path is there at all, told without torch
views           what a `Scene` is
screening       which views are used, and which the scale follows: poses and photos checked against each other, by
                `stray_cameras` (far from all others) and `duplicates` (the same photo twice)
unknown_places  when photos cannot tell where things are
formats         the files that scenes are read from, a module for each format
validation      checks on what files say
lenses          whether a lens can be undistorted
split           which photos are kept for testing
images          photos and masks decoded
deep_pictures   pictures of more than 8 bits a colour
white_levels    which of their values is white, in all photos of a scene
large_pictures  pictures of more pixels than are held at once
masks           which pixels of a photo may be used
undistort       photos as a pinhole would have taken them
pixels          random pixels of many photos, for training
queries         a scene's phrases and true places: `queries.json`
literature      the scenes of the literature: a catalogue of them
"""
