"""Exposure and white balance, which differ from photo to photo: an affine map of colours for each training photo."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Exposure(nn.Module):
    """For each of N training photos the map c ↦ A c + b from the scene's colours to the photo's, at first the identity.

    The map of photo i is I + M_i − mean M, so that the maps' mean is always the identity: otherwise the scene's colours
    and all maps could drift together without any photo changing. A single photo's map is the identity.

    Attributes:
        affine: parameter (N, 3, 4), M as (A, b).
    """

    def __init__(self, photos: int) -> None:
        super().__init__()
        self.affine = nn.Parameter(torch.eye(3, 4).repeat(photos, 1, 1))

    def forward(self, picture: Float[Tensor, "h w 3"], photo: int) -> Float[Tensor, "h w 3"]:
        """The picture with the exposure of a training photo, given by its index."""
        affine = self.maps()[photo]
        return (picture[..., None, :] * affine[:, :3]).sum(dim=-1) + affine[:, 3]

    def maps(self) -> Float[Tensor, "n 3 4"]:
        """The photos' maps (A, b)."""
        return self.affine - self.affine.mean(dim=0) + torch.eye(3, 4, device=self.affine.device)
