"""What every other package stands on. It knows nothing of photos, models or phrases.

cameras          cameras with any lens
rays             rays through pixels
transforms       rigid motions, similarities, other programs' axes
quaternions      rotations as quaternions
splats           Gaussians as files exchange them
observed_scales  the physical scales that a pyramid of crops shows a place at
sampling         fewer of many
voxels           points in the voxels of a grid
config           configurations as JSON
json_files       JSON files, read strictly
files            digests of files
errors           errors that people read
progress         how far long work is
devices          which device to compute on
randomness       streams of random numbers from one seed
shapes           the proof that shape checks run
"""
