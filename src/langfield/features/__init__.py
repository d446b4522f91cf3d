"""What encoders make of a scene's photos: computed once, cached, and sampled.

photos      what models may read of the photos that they learn from
pyramid     LERF's pyramid of crops, each with its embedding
dense       a grid of features over each photo
extraction  photos through an encoder into the cache, and out of it as one table
transfers   photos on their way to the device, features on their way back
crop_batches  crops through an encoder, as many at a time as suit the device
cache       an entry for each photo, addressed by all that made it
run_lengths masks as the intervals of pixels that they are
mask_crops  each mask's thing before a blurred background, embedded
mask_bank   the masks of the photos with their embeddings
bank        pyramid and dense features of the photos together, as training samples them
targets     what heads learn from, by name
mask_targets  which mask of a photo a pixel belongs to at a scale, as a target
mask_scales   how large what a mask shows is
codebook    a few embeddings of which all others are sparse mixes
"""
