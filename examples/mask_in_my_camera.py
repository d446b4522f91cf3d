"""A mask in a camera of one's own. Usage: python examples/mask_in_my_camera.py RUN PHRASE EYE_X EYE_Y EYE_Z OUT.png"""

import sys

import numpy as np
from PIL import Image

import langfield

WIDTH_PX, HEIGHT_PX, FOCAL_PX = 320, 240, 300
UP = (0.0, 0.0, 1.0)  # of the scene's world


def looking_at(target: np.ndarray, eye: np.ndarray) -> langfield.Camera:
    """A camera's axes are OpenCV's: x to the right, y down, z forward. They are the columns of its pose."""
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, UP) / np.linalg.norm(np.cross(forward, UP))
    pose = np.eye(4)
    pose[:3] = np.stack([right, np.cross(forward, right), forward, eye], axis=1)
    return langfield.Camera(pose, WIDTH_PX, HEIGHT_PX, FOCAL_PX, FOCAL_PX, WIDTH_PX / 2, HEIGHT_PX / 2)


folder, phrase, *eye, out = sys.argv[1:]
run = langfield.open(folder)
(answer,) = run.query([phrase])
if not answer.hits:
    sys.exit(f"{phrase}: not there")
view = run.ask_view(looking_at(np.array(answer.position), np.array(eye, dtype=float)), [phrase])
mask = view.masks[0]
Image.fromarray(np.where(mask[..., None], view.rgb, view.rgb // 3)).save(out)
print(f"{phrase}: {mask.sum()} of {mask.size} pixels, in {out}")
