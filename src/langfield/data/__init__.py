"""Scenes: photos with cameras from disk, checked before they are believed, and pixels drawn from them.

scene           `open_scene`: a folder → a `Scene`
views           what a `Scene` is
formats         the files that scenes are read from, a module for each format
validation      checks on what files say
lenses          whether a lens can be undistorted
split           which photos are kept for testing
images          photos and masks decoded
large_pictures  those of more pixels than are held at once
masks           which pixels of a photo may be used
undistort       photos as a pinhole would have taken them
pixels          random pixels of many photos, for training
queries         a scene's phrases and true places: `queries.json`
literature      the scenes of the literature: a catalogue of them
"""
