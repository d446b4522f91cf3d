"""Masks of many photos, brought together on the scene's surface: groups of voxels (parts < things < sets), no training.

    counts      one photo's masks → the surface voxels inside each mask
    base        `PhotoVoxels`, what is known of one photo; `Groups`, what comes out
    incidence   sets of voxels as pairs on a device, and sums over what two sets share
    agreement   `MaskTable`, all photos' masks; which of different photos agree on the voxels that both photos show
    consensus   `find_groups`: from agreeing masks to groups, by votes of the photos
    selection   which candidates are needed to explain the masks
    pieces      what of a group hangs together, and specks that do not belong to it
    embeddings  what groups look like, by the embeddings of their masks
    hierarchy   which group holds which, and the `things`: a partition into groups that do not overlap

Masks of different photos that agree on the voxels both photos show are masks of one thing, as in MaskClustering (Yan
et al. 2024), Gaga (Lyu et al. 2024) and OpenVoxel (2026). Each group is a mode among the masks (the mean shift of
Comaniciu and Meer 2002, on sets of voxels): from a mask that many photos agree with, the best mask of each photo votes,
voxel by voxel, and the outcome looks for its masks again.
"""

from langfield.groups.base import Groups, PhotoVoxels
from langfield.groups.consensus import GroupSettings, find_groups
from langfield.groups.counts import mask_sets
from langfield.groups.hierarchy import things

__all__ = ["GroupSettings", "Groups", "PhotoVoxels", "find_groups", "mask_sets", "things"]
