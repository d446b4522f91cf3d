"""A photo in the square that a SAM model sees, and its masks back in the photo.

As transformers' image processors do it, on the photo's device: SAM keeps the shape and pads below and to the right,
SAM 2 squeezes the photo into the square.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor, nn

_CHUNK_BYTES = {"cuda": 1 << 30, "cpu": 1 << 27}


@dataclass(frozen=True)
class ModelFrame:
    """Where a photo lies in the model's square.

    Attributes:
        height_px, width_px: of the photo.
        used_height_px, used_width_px: of the photo in the square, from its top left corner on.
        side_px: of the square.
    """

    height_px: int
    width_px: int
    used_height_px: int
    used_width_px: int
    side_px: int

    @classmethod
    def padded(cls, height_px: int, width_px: int, side_px: int) -> "ModelFrame":
        """The longer side fills the square."""
        scale = side_px / max(height_px, width_px)
        used = (max(int(height_px * scale + 0.5), 1), max(int(width_px * scale + 0.5), 1))
        return cls(height_px, width_px, *used, side_px)

    @classmethod
    def squeezed(cls, height_px: int, width_px: int, side_px: int) -> "ModelFrame":
        """Both sides fill the square."""
        return cls(height_px, width_px, side_px, side_px, side_px)

    def pixels(
        self, photos: UInt8[Tensor, "b h w 3"], mean: Float[Tensor, "3 1 1"], std: Float[Tensor, "3 1 1"]
    ) -> Float[Tensor, "b 3 s s"]:
        """What the model sees of photos of one size: resized to whole colours, normalised, padded with zeros."""
        picture = photos.permute(0, 3, 1, 2).float()
        # Whole colours after the rows and again after the columns, as Pillow and torchvision have them.
        picture = _resized(picture, (self.height_px, self.used_width_px))
        picture = _resized(picture, (self.used_height_px, self.used_width_px))
        picture = (picture / 255 - mean) / std
        right, below = self.side_px - self.used_width_px, self.side_px - self.used_height_px
        return nn.functional.pad(picture, (0, right, 0, below))

    def points(self, points_px: Float[Tensor, "*n 2"]) -> Float[Tensor, "*n 2"]:
        """Points of the photo, (0.5, 0.5) its first pixel's centre, as SAM counts them: its first centre is (0, 0)."""
        scale_x, scale_y = self.used_width_px / self.width_px, self.used_height_px / self.height_px
        x, y = points_px.unbind(-1)
        return torch.stack([x * scale_x - 0.5, y * scale_y - 0.5], dim=-1)

    def used(self, logits: Float[Tensor, "*n lh lw"]) -> Float[Tensor, "*n uh uw"]:
        """The part of the model's own small masks that shows the photo."""
        rows, columns = self.used_size(logits)
        return logits[..., :rows, :columns]

    def used_size(self, logits: Float[Tensor, "*n lh lw"]) -> tuple[int, int]:
        """Rows and columns of that part."""
        height, width = logits.shape[-2:]
        return -(-self.used_height_px * height // self.side_px), -(-self.used_width_px * width // self.side_px)

    def masks(self, logits: Float[Tensor, "n lh lw"]) -> Bool[Tensor, "n h w"]:
        """Masks as large as the photo from the model's own small ones: bilinear in float32, cut at 0.

        In chunks that fit the memory; nothing waits for the device.
        """
        photo = self.height_px * self.width_px
        masks = torch.empty(len(logits), self.height_px, self.width_px, dtype=torch.bool, device=logits.device)
        bytes_each = 4 * (2 * self.side_px**2 + 2 * photo)
        chunk = max(_CHUNK_BYTES[logits.device.type] // bytes_each, 1)
        for start in range(0, len(logits), chunk):
            masks[start : start + chunk] = self._enlarged(logits[start : start + chunk].float()) > 0
        return masks

    def _enlarged(self, logits: Float[Tensor, "n lh lw"]) -> Float[Tensor, "n h w"]:
        size, enlarged = (self.height_px, self.width_px), logits[:, None]
        if (self.used_height_px, self.used_width_px) != (self.side_px, self.side_px):
            enlarged = nn.functional.interpolate(enlarged, (self.side_px, self.side_px), mode="bilinear")
            enlarged = enlarged[..., : self.used_height_px, : self.used_width_px]
        return nn.functional.interpolate(enlarged, size, mode="bilinear")[:, 0]


def _resized(picture: Float[Tensor, "b 3 h w"], size: tuple[int, int]) -> Float[Tensor, "b 3 hh ww"]:
    if picture.shape[-2:] == size:
        return picture
    return nn.functional.interpolate(picture, size, mode="bilinear", antialias=True).round().clamp(0, 255)
