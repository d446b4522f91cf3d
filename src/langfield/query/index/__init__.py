"""What a scene was seen as, kept so that any phrase can be asked of the whole scene at once.

The data goes through the modules in this order; a phrase enters in `scene_index`:

    raster              a rendered view → a sparse raster of its pixels: points, colours, normals
    consistency         points that other views look through are left out
    surface_voxels      the points of all rasters → V voxels of the surface
    voxel_embeddings    the rasters' embeddings, averaged in the voxels at each crop level (and DINO features, if any)
    coarse_cells        the voxels, gathered in cells as large as the smallest crops
    surface_graph       the voxels as a graph: neighbours that look alike get like relevancy (by smoothing)
    elements_in_voxels  the run's Gaussians (or surface points) → the voxel that each lies in
    scene_index         all of these, built from a run's cameras; phrases → relevancy of cells and voxels
    kept_index          the index in the run directory, for all sessions to come
    regions             relevancy of voxels → connected regions: the hits of an answer

Everything is in the scene frame. What is made once is immutable.
"""
