"""Export: what a run knows as files for other programs, in the frame and units of its input files.

answers  maps and masks of phrases in photos, COCO annotations, elements as PLY
coco     masks as COCO's run-length encoding
glb      things as glTF: coloured points with boxes
points   the surface as coloured points
ply      PLY files of Gaussians and of points
page     a page without a server: Gaussians and answers in one HTML file
"""
