"""Crops of a photo that are searched like the photo itself, so that small things are large enough for the encoder.

Kirillov et al., Segment Anything (2023), appendix B: layer i is 2^i × 2^i crops that overlap; masks that a crop cuts
off are left to the others.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Num
from torch import Tensor

_OVERLAP = 512 / 1500  # of the photo's shorter side, in the first layer; half of it in the next


@dataclass(frozen=True)
class Crop:
    """A rectangle of a photo, in pixels."""

    left_px: int
    top_px: int
    width_px: int
    height_px: int

    @classmethod
    def whole(cls, height_px: int, width_px: int) -> "Crop":
        """All of a photo."""
        return cls(0, 0, width_px, height_px)

    @property
    def right_px(self) -> int:
        """Where it ends, exclusive."""
        return self.left_px + self.width_px

    @property
    def bottom_px(self) -> int:
        """Likewise."""
        return self.top_px + self.height_px

    def of(self, image: Num[Tensor, "h w *c"]) -> Num[Tensor, "ch cw *c"]:
        """What of a photo lies in it."""
        return image[self.top_px : self.bottom_px, self.left_px : self.right_px]

    def scaled(self, height_px: int, width_px: int, photo: tuple[int, int]) -> "Crop":
        """The same part of a photo of another size. Args: photo: height and width of the one that it is of."""
        tall, wide = height_px / photo[0], width_px / photo[1]
        left, top = round(self.left_px * wide), round(self.top_px * tall)
        right, bottom = round(self.right_px * wide), round(self.bottom_px * tall)
        return Crop(left, top, max(right - left, 1), max(bottom - top, 1))

    def paste(self, masks: Bool[Tensor, "n ch cw"], into: Bool[Tensor, "n h w"]) -> None:
        """Put its masks where they are in the photo."""
        into[:, self.top_px : self.bottom_px, self.left_px : self.right_px] = masks

    def cuts(self, masks: Bool[Tensor, "n ch cw"], height_px: int, width_px: int) -> Bool[Tensor, " n"]:
        """Which of its masks reach an edge of it that is none of the photo's: the thing may go on there.

        Args:
            height_px: of the photo.
            width_px: likewise.
        """
        cut = torch.zeros(len(masks), dtype=torch.bool, device=masks.device)
        edges = (
            (self.left_px > 0, masks[:, :, 0]),
            (self.top_px > 0, masks[:, 0]),
            (self.right_px < width_px, masks[:, :, -1]),
            (self.bottom_px < height_px, masks[:, -1]),
        )
        for inside, edge in edges:
            if inside:
                cut |= edge.any(dim=1)
        return cut


def layers_of_crops(layers: int, height_px: int, width_px: int) -> list[list[Crop]]:
    """The photo itself, and the crops of so many layers: 4 of the first, 16 of the second. Those of a layer are of the
    same size."""
    crops = [[Crop.whole(height_px, width_px)]]
    for layer in range(1, layers + 1):
        across = 2**layer
        overlap = _OVERLAP * min(height_px, width_px) * 2 / across
        height, width = (
            min(math.ceil((size + overlap * (across - 1)) / across), size) for size in (height_px, width_px)
        )
        tops, lefts = (
            [round((size - part) * i / (across - 1)) for i in range(across)]
            for size, part in ((height_px, height), (width_px, width))
        )
        crops.append([Crop(left, top, width, height) for top in tops for left in lefts])
    return crops
