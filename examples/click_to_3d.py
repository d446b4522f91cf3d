"""The 3D point at a pixel of a photo. Usage: python examples/click_to_3d.py RUN PHOTO X Y"""

import sys

import numpy as np

import langfield

folder, photo, *xy = sys.argv[1:]
x, y = (float(value) for value in xy)  # 0.5, 0.5 is the middle of the first pixel

run = langfield.open(folder)
cameras = {view.name: view.camera for view in run.views}
camera = cameras[photo].undistorted()  # the pixel is one of the photo as a pinhole sees it
_, depth_world = run.picture(camera)
z = depth_world[int(y), int(x)]
if not np.isfinite(z):
    sys.exit("nothing is there")
in_camera = z * np.array([(x - camera.cx_px) / camera.fx_px, (y - camera.cy_px) / camera.fy_px, 1])
rotation, eye = camera.world_from_camera[:3, :3], camera.world_from_camera[:3, 3]
print("{:.3f}, {:.3f}, {:.3f}".format(*(rotation @ in_camera + eye)))
