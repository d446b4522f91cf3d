"""What differs between photos and not in the place: exposure and white balance, as an affine map of colours a photo."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Exposure(nn.Module):
    """For each training photo the map from the place's colours to the photo's: c ↦ A c + b. It begins as no change, and
    no change is what pictures of other cameras get."""

    def __init__(self, photos: int) -> None:
        super().__init__()
        self.affine = nn.Parameter(torch.eye(3, 4).repeat(photos, 1, 1))

    def forward(self, picture: Float[Tensor, "h w 3"], photo: int) -> Float[Tensor, "h w 3"]:
        """The picture as that photo would show it."""
        affine = self.affine[photo]
        return (picture[..., None, :] * affine[:, :3]).sum(dim=-1) + affine[:, 3]
