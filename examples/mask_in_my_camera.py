"""A mask in a camera of one's own. Usage: python examples/mask_in_my_camera.py RUN PHRASE EYE_X EYE_Y EYE_Z OUT.png"""

import sys

import numpy as np
from PIL import Image

import langfield

UP = (0, 0, 1)  # in the world of the photos' poses

folder, phrase, *eye, out = sys.argv[1:]
run = langfield.open(folder)
(answer,) = run.query([phrase])
if not answer.present:
    sys.exit(f"{phrase}: not there")
eye_world = [float(value) for value in eye]
camera = langfield.Camera.looking_at(eye_world, answer.position, UP, width_px=320, height_px=240, fov_y_deg=45)

view = run.ask_view(camera, [phrase])
mask = view.masks[0]
Image.fromarray(np.where(mask[..., None], view.rgb, view.rgb // 3)).save(out)
print(f"{phrase}: {mask.sum()} of {mask.size} pixels, in {out}")
