"""What a mask encoder is: the two protocols everything else knows, and what they give."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from langfield.core.checks import check_counts, check_numbers
from langfield.encoders.base import EncoderCard

INSIDE, OUTSIDE, NO_POINT = 1, 0, -10  # labels of points


@dataclass(frozen=True)
class ProposedMasks:
    """The masks of one photo, best first, each thing once.

    Attributes:
        masks: M masks as large as the photo, on the proposer's device.
        predicted_iou: how well the encoder believes each mask to fit; falling.
        stability: IoU of the mask cut a little higher and a little lower.
    """

    masks: Bool[Tensor, "m h w"]
    predicted_iou: Float[Tensor, " m"]
    stability: Float[Tensor, " m"]

    @property
    def areas_px(self) -> Int64[Tensor, " m"]:
        """How many pixels each mask has."""
        return self.masks.flatten(1).sum(1)


@dataclass(frozen=True)
class PromptedMasks:
    """K candidates for each of Q prompts, from the smallest to the largest: part, thing, group.

    Attributes:
        masks: as large as the photo.
        predicted_iou: how well the encoder believes each to fit.
    """

    masks: Bool[Tensor, "q k h w"]
    predicted_iou: Float[Tensor, "q k"]

    @classmethod
    def smallest_first(cls, masks: Bool[Tensor, "q k h w"], predicted_iou: Float[Tensor, "q k"]) -> "PromptedMasks":
        """Candidates in any order, put in order of their areas. Does not wait for the device."""
        order = masks.flatten(2).sum(2).argsort(dim=1, stable=True)
        rows = torch.arange(len(order), device=order.device)[:, None]
        return cls(masks[rows, order], predicted_iou[rows, order])


@runtime_checkable
class PromptableImage(Protocol):
    """A photo that was embedded once, to be asked often."""

    def masks_at(
        self,
        points_px: Float[Tensor, "q p 2"],
        labels: Int64[Tensor, "q p"],
        boxes_px: Float[Tensor, "q 4"] | None = None,
    ) -> PromptedMasks:
        """Masks of what prompts say.

        Args:
            points_px: (x, y) in the photo; the centre of its top left pixel is (0.5, 0.5). P may be 0 with boxes.
            labels: 1 the thing is here, 0 it is not, -10 no point at all (to fill up rows of fewer points).
            boxes_px: (left, top, right, bottom) around the thing.

        Raises ValueError for prompts without points and without boxes.
        """
        ...


@runtime_checkable
class MaskProposer(Protocol):
    """Masks of photos."""

    @property
    def card(self) -> EncoderCard: ...

    @property
    def device(self) -> torch.device: ...

    def propose(self, image: UInt8[Tensor, "h w 3"]) -> ProposedMasks:
        """Masks of everything in a photo. No gradient."""
        ...

    def begin(self, image: UInt8[Tensor, "h w 3"]) -> Callable[[], ProposedMasks]:
        """`propose` in two steps: what does not wait for the device is done at once, the rest when what is returned is
        called. A device that has begun a photo works while the host is busy with the one before."""
        ...

    def embed(self, image: UInt8[Tensor, "h w 3"]) -> PromptableImage:
        """The photo, ready for prompts. No gradient."""
        ...


@dataclass(frozen=True)
class EverythingSettings:
    """Everything mode (SAM §4 "Segment anything" and its automatic mask generation): which masks are kept.

    Attributes:
        points_per_side: the photo is asked at a grid of this many by this many points.
        min_predicted_iou: masks that the model itself believes to fit worse are dropped.
        min_stability: and those that change more when they are cut higher or lower.
        stability_offset: how much higher and lower, in logits.
        max_overlap_iou: of two masks that overlap more, only the one with the higher predicted IoU is kept.
        crop_layers: layers of crops of the photo that are searched, too, for small things: 0 to 3; the first has 4
            crops, the second 16. Each costs what the photo costs.
        crop_points_per_side: the grid of each crop.
    """

    points_per_side: int = 32
    min_predicted_iou: float = 0.88
    min_stability: float = 0.95
    stability_offset: float = 1.0
    max_overlap_iou: float = 0.7
    crop_layers: int = 0
    crop_points_per_side: int = 16

    def __post_init__(self) -> None:
        check_counts(self, "points_per_side", "crop_points_per_side", most=256)
        check_counts(self, "crop_layers", least=0, most=3)
        check_numbers(self, "min_predicted_iou", "min_stability", most=1)
        check_numbers(self, "stability_offset", least=0)
        check_numbers(self, "max_overlap_iou", above=0, most=1)

    def to_json(self) -> dict[str, Any]:
        """The settings as what `json` can write. Without crops nothing is said of them: caches and runs that are older
        than crops are of the same encoder."""
        values = asdict(self)
        return values if self.crop_layers else {k: v for k, v in values.items() if not k.startswith("crop_")}


def check_prompts(
    points_px: Float[Tensor, "q p 2"], labels: Int64[Tensor, "q p"], boxes_px: Float[Tensor, "q 4"] | None
) -> None:
    """Raise ValueError unless prompts have points or boxes, and as many of one as of the other."""
    if points_px.shape[1] == 0 and boxes_px is None:
        raise ValueError("a prompt needs a point or a box, got neither")
    if points_px.shape[:2] != labels.shape or (boxes_px is not None and len(boxes_px) != len(points_px)):
        boxes = None if boxes_px is None else tuple(boxes_px.shape)
        raise ValueError(
            f"prompts need one label a point and one box a row, got points {tuple(points_px.shape)}, labels "
            f"{tuple(labels.shape)}, boxes {boxes}"
        )
