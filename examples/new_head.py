"""A head of one's own: it learns the colours of blurred photos. Usage: python examples/new_head.py SCENE OUT"""

import sys
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image, ImageFilter

import langfield


class Blurred(langfield.PointHead):
    def loss(self, rendered: torch.Tensor, targets: dict[str, torch.Tensor]) -> torch.Tensor:
        return (rendered - targets["blurred"]).square().mean()


@dataclass(frozen=True)
class BlurredConfig(langfield.HeadConfig):
    type, target = "blurred", "blurred"
    weight: float = 1.0

    def build(self, features: int, context: object) -> Blurred:
        return Blurred(self, torch.nn.Linear(features, 3))

    def target_source(self, photos, device):
        return langfield.PictureTarget("blurred", photos, blurred, device)


def blurred(rgb: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(rgb).filter(ImageFilter.GaussianBlur(4)), np.float32) / 255


if __name__ == "__main__":
    nano = langfield.preset("nano")
    config = replace(nano.config, heads=(*nano.config.heads, BlurredConfig()))
    recipe = replace(nano, config=config, encoder="builtin:mini", feature_views=4)
    langfield.train(sys.argv[1], sys.argv[2], preset=recipe, max_steps=100, rays=512, log=print)
    run = langfield.open(sys.argv[2])
    print(run.head_picture(run.views[0].camera, "blurred").shape)
