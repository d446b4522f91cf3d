"""What every other package stands on. It knows nothing of photos, models or phrases.

cameras          cameras with any lens
distortion       how lenses bend, and back
camera_checks    what a camera must be, checked where one is given
rays             rays through pixels
transforms       rigid motions, similarities, other programs' axes
quaternions      rotations as quaternions
splats           Gaussians as files exchange them
observed_scales  the physical scales that a pyramid of crops shows a place at
sampling         fewer of many
voxels           points in the voxels of a grid
config           configurations as JSON
checks           what configurations check of their fields
number_text      world coordinates as text
listing          lists of names for people
choices          names to choose from, and errors about mistyped ones
json_files       JSON files, read strictly
files            digests of files
errors           errors that people read
video            animated WebP, written picture by picture
interruption     work that stops half-way because nobody needs it any more
progress         how far long work is
devices          which device to compute on
randomness       streams of random numbers from one seed
shapes           the proof that shape checks run
"""
