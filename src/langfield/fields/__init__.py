"""What is learnt: functions of position (and scale) that give density, colour and embeddings.

radiance      density and colour, from hash grids
encodings     the inputs of its networks
language      embeddings at a physical scale, and dense features
voxels        embeddings in a sparse grid of voxels, at a few scales
gaussians     the parameters of Gaussians
splat_frames  the same Gaussians in another frame
language_map  embeddings of elements as sparse codes of a codebook: how Gaussians keep language
"""
