"""What differs between photos and not in the place: exposure and white balance, as an affine map of colours a photo."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Exposure(nn.Module):
    """For each training photo the map from the place's colours to the photo's: c ↦ A c + b. It begins as no change, and
    no change is what pictures of other cameras get.

    The mean of all photos' maps is no change, whatever is learnt: the place's own colours could else drift off, and
    every map with them, without any photo looking different. Photo i's is I + M_i − mean M; one photo alone has none.
    """

    def __init__(self, photos: int) -> None:
        super().__init__()
        self.affine = nn.Parameter(torch.eye(3, 4).repeat(photos, 1, 1))

    def forward(self, picture: Float[Tensor, "h w 3"], photo: int) -> Float[Tensor, "h w 3"]:
        """The picture as that photo would show it."""
        affine = self.maps()[photo]
        return (picture[..., None, :] * affine[:, :3]).sum(dim=-1) + affine[:, 3]

    def maps(self) -> Float[Tensor, "n 3 4"]:
        """Of all photos: (A, b)."""
        return self.affine - self.affine.mean(dim=0) + torch.eye(3, 4, device=self.affine.device)
