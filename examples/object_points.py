"""The points of what a phrase means, as PLY. Usage: python examples/object_points.py RUN PHRASE OUT.ply"""

import sys

import numpy as np

import langfield

HEADER = """ply
format ascii 1.0
element vertex {}
property float x
property float y
property float z
end_header"""

run, phrase, out = sys.argv[1:]
(answer,) = langfield.open(run).query([phrase])
if not answer.present:
    sys.exit(f"{phrase}: not there")
points_world = np.concatenate([hit.points_world for hit in answer.hits])
np.savetxt(out, points_world, fmt="%.5f", header=HEADER.format(len(points_world)), comments="")
print(f"{phrase}: {len(points_world)} points of {len(answer.hits)} hits in {out}")
