"""SAM and SAM 2 of transformers as `MaskProposer`s: a photo is embedded once, points are decoded in large batches.

Kirillov et al., Segment Anything (2023); Ravi et al., SAM 2 (2024). Everything mode: `everything`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from langfield.core.errors import WeightsError
from langfield.core.files import file_sha256
from langfield.encoders.base import EncoderCard, compute_dtype
from langfield.encoders.masks.base import (
    INSIDE,
    EverythingSettings,
    PromptableImage,
    PromptedMasks,
    ProposedMasks,
    check_prompts,
)
from langfield.encoders.masks.crops import layers_of_crops
from langfield.encoders.masks.everything import Candidates, Region, masks_of_photo
from langfield.encoders.masks.frame import ModelFrame
from langfield.encoders.masks.sam_attention import attend, can_attend
from langfield.encoders.masks.sam_decoder import SamPromptDecoder
from langfield.encoders.masks.sam_weights import SamSource, build_sam, find_sam
from langfield.encoders.masks.zoom import ZoomedImage
from langfield.encoders.recorded import Recorded
from langfield.encoders.weights import RANDOM, json_sha256
from langfield.ops.mask_decoder import counts_above

_EMBEDDED_AT_ONCE = 5  # a photo and the first layer of its crops
_MOST_RECORDED = 4  # grids of a frame: each keeps gigabytes of the GPU's memory
_CHUNK_BYTES = {"cuda": 4 << 30, "cpu": 1 << 29}
_PUBLISHED = {"sam": EverythingSettings(), "sam2": EverythingSettings(min_predicted_iou=0.8)}
_GRIDS_PER_POINT = {"sam": 8, "sam2": 24}  # grids of features that the decoder holds at once for each prompt
_NOT_IN_DIGEST = ("transformers_version", "_name_or_path", "torch_dtype", "dtype", "architectures")


class SamNetwork:
    """A SAM or SAM 2 in evaluation mode: the picture's encoder and the decoder in `dtype`, coordinates in float32."""

    def __init__(self, model: nn.Module, dtype: torch.dtype, device: torch.device) -> None:
        self._model: Any = model.eval().requires_grad_(False).to(device)
        self._model.vision_encoder.to(dtype)
        self._model.mask_decoder.to(dtype)
        self._is_sam2 = hasattr(model, "no_memory_embedding")
        if self._is_sam2:
            self._model.no_memory_embedding.data = self._model.no_memory_embedding.data.to(dtype)
        else:
            for layer in self._model.vision_encoder.layers:
                _without_tables(layer, device)
        self.dtype = dtype
        # Some hundred small kernels: the host takes longer to launch them than a GPU to run them.
        encode = partial(_encoded, self._model.vision_encoder)
        self._encode = Recorded(encode) if device.type == "cuda" else encode
        self._positions = self._model.get_image_wide_positional_embeddings().to(dtype)
        self._decoder = None if self._is_sam2 else SamPromptDecoder(self._model.mask_decoder)

    @torch.no_grad()
    def embed(self, pixels: Float[Tensor, "b 3 s s"]) -> list[Float[Tensor, "b _ _ _"]]:
        """Features of pictures, the coarsest last; SAM has one grid, SAM 2 three."""
        if self._is_sam2:
            return self._model.get_image_embeddings(pixels.to(self.dtype))
        return [self._encode(pixels.to(self.dtype))]

    @torch.no_grad()
    def decode(
        self,
        features: list[Float[Tensor, "1 _ _ _"]],
        points: Float[Tensor, "q p 2"],
        labels: Int64[Tensor, "q p"],
        boxes: Float[Tensor, "q 4"] | None,
    ) -> tuple[Float[Tensor, "q k lh lw"], Float[Tensor, "q k"]]:
        """Logits of K masks for each prompt, in the model's frame and order, and their predicted IoU. Does not wait."""
        asked = points.shape[1] > 0
        sparse, dense = self._model.prompt_encoder(
            input_points=points[None] if asked else None,
            input_labels=labels[None] if asked else None,
            input_boxes=None if boxes is None else boxes[None],
            input_masks=None,
        )
        sparse, dense = sparse.to(self.dtype), dense.to(self.dtype)
        if self._decoder is not None:
            return self._decoder(features[0] + dense, self._positions, sparse[0])
        logits, predicted_iou, *_ = self._model.mask_decoder(
            image_embeddings=features[-1],
            image_positional_embeddings=self._positions,
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=True,
            high_resolution_features=features[:-1],
        )
        return logits[0], predicted_iou[0].float()

    def bytes_of_prompt(self, features: list[Float[Tensor, "1 _ _ _"]]) -> int:
        """What decoding takes of the memory for each prompt."""
        grids = _GRIDS_PER_POINT["sam2" if self._is_sam2 else "sam"]
        return grids * features[-1].numel() * features[-1].element_size()

    def chunk(self, features: list[Float[Tensor, "1 _ _ _"]]) -> int:
        """How many prompts are decoded at once."""
        return max(_CHUNK_BYTES[features[-1].device.type] // self.bytes_of_prompt(features), 1)


def _encoded(encoder: nn.Module, pixels: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b c h w"]:
    return encoder(pixels)[0]


def _without_tables(layer: Any, device: torch.device) -> None:
    """Have a layer of transformers' encoder make its tables of relative positions once, and on a GPU attend without one
    of all pairs of places."""
    attention = layer.attn
    attention.get_rel_pos = _remembered(attention.get_rel_pos)
    if device.type == "cuda" and can_attend(attention):
        attention.forward = lambda hidden_states, output_attentions=None: (attend(attention, hidden_states), None)


def _remembered(table: Callable[[int, int, Tensor], Tensor]) -> Callable[[int, int, Tensor], Tensor]:
    """transformers' tables of relative positions, made once: it makes them for every picture from numbers on the host,
    and waits for the device each time. The parameters that they are made of must not change."""
    known: dict[tuple[int, int, int], Tensor] = {}

    def remembered(q_size: int, k_size: int, rel_pos: Tensor) -> Tensor:
        key = (q_size, k_size, id(rel_pos))
        if key not in known:
            known[key] = table(q_size, k_size, rel_pos)
        return known[key]

    return remembered


@dataclass(frozen=True)
class SamImage:
    """One photo's features, and where it lies in the model's square."""

    network: SamNetwork
    features: list[Float[Tensor, "1 _ _ _"]]
    frame: ModelFrame

    @torch.no_grad()
    def masks_at(
        self,
        points_px: Float[Tensor, "q p 2"],
        labels: Int64[Tensor, "q p"],
        boxes_px: Float[Tensor, "q 4"] | None = None,
    ) -> PromptedMasks:
        """The model's three masks for each prompt, the smallest first. As `PromptableImage.masks_at`."""
        check_prompts(points_px, labels, boxes_px)
        device = self.features[-1].device
        points = self.frame.points(points_px.to(device, torch.float32))
        labels = labels.to(device)
        boxes = None
        if boxes_px is not None:
            boxes = self.frame.points(boxes_px.to(device, torch.float32).reshape(-1, 2, 2)).reshape(-1, 4)
        step = self.network.chunk(self.features)
        parts = [
            self._at(points[at : at + step], labels[at : at + step], None if boxes is None else boxes[at : at + step])
            for at in range(0, len(points), step)
        ]
        if not parts:
            empty = torch.zeros(0, 3, self.frame.height_px, self.frame.width_px, dtype=torch.bool, device=device)
            return PromptedMasks(empty, torch.zeros(0, 3, device=device))
        return PromptedMasks(torch.cat([part.masks for part in parts]), torch.cat([p.predicted_iou for p in parts]))

    def _at(
        self, points: Float[Tensor, "q p 2"], labels: Int64[Tensor, "q p"], boxes: Float[Tensor, "q 4"] | None
    ) -> PromptedMasks:
        logits, predicted_iou = self.network.decode(self.features, points, labels, boxes)
        masks = self.frame.masks(logits.flatten(0, 1)).unflatten(0, logits.shape[:2])
        return PromptedMasks.smallest_first(masks, predicted_iou)

    @torch.no_grad()
    def candidates(self, points_px: Float[Tensor, "n 2"], stability_offset: float) -> Candidates:
        """Three masks at each of N points. Nothing in here waits for the device."""
        points = self.frame.points(points_px)[:, None]
        labels = torch.full(points.shape[:2], INSIDE, device=points.device)
        step, found = self.network.chunk(self.features), list[tuple[Tensor, Tensor]]()
        for at in range(0, len(points), step):
            some = slice(at, at + step)
            found.append(self.network.decode(self.features, points[some], labels[some], None))
        logits, predicted_iou = (torch.cat(parts).flatten(0, 1) for parts in zip(*found, strict=True))
        cuts = (stability_offset, -stability_offset)
        higher, lower = counts_above(logits, *self.frame.used_size(logits), cuts).unbind(1)
        return Candidates(logits, predicted_iou, higher / lower.clamp(min=1))


class SamProposer:
    """A SAM or SAM 2 that proposes masks of everything in a photo, or answers prompts.

    Attributes:
        prompt_zoom: prompts are asked again in crops about what was found, so many times as large; None asks once.
    """

    def __init__(
        self, network: SamNetwork, card: EncoderCard, settings: EverythingSettings, device: torch.device
    ) -> None:
        self.card = card
        self.device = device
        self.settings = settings
        self.network = network
        self.prompt_zoom: float | None = None
        self._recorded: dict[tuple[ModelFrame, int, float], Recorded[tuple[Tensor, ...]]] = {}
        self._frame = ModelFrame.squeezed if card.spec.startswith("sam2:") else ModelFrame.padded
        self._mean, self._std = (torch.tensor(rgb, device=device)[:, None, None] for rgb in (card.mean, card.std))

    @torch.no_grad()
    def embed(self, image: UInt8[Tensor, "h w 3"]) -> PromptableImage:
        """The photo, ready for prompts."""
        image = image.to(self.device)
        whole = self.embedded(image)
        if self.prompt_zoom is None:
            return whole
        return ZoomedImage(image, whole, self.embedded, self.prompt_zoom)

    @torch.no_grad()
    def embedded(self, image: UInt8[Tensor, "h w 3"]) -> SamImage:
        """The photo's features."""
        frame = self._frame(image.shape[0], image.shape[1], self.card.input_size_px)
        pixels = frame.pixels(image.to(self.device)[None], self._mean, self._std)
        return SamImage(self.network, self.network.embed(pixels), frame)

    @torch.no_grad()
    def propose(self, image: UInt8[Tensor, "h w 3"]) -> ProposedMasks:
        """Masks at a grid of points, without those that the model doubts, that are unstable, or that repeat better
        ones; highest predicted IoU first. Deterministic. The device is waited for a few times, not once a mask."""
        return self.begin(image)()

    @torch.no_grad()
    def begin(self, image: UInt8[Tensor, "h w 3"]) -> Callable[[], ProposedMasks]:
        """See `MaskProposer.begin`: embeds and decodes."""
        settings, (height, width), image = self.settings, image.shape[:2], image.to(self.device)
        layers = layers_of_crops(settings.crop_layers, height, width)
        frames = [self._frame(layer[0].height_px, layer[0].width_px, self.card.input_size_px) for layer in layers]
        pixels = [
            frame.pixels(torch.stack([crop.of(image) for crop in layer]), self._mean, self._std)
            for frame, layer in zip(frames, layers, strict=True)
        ]
        parts = [self.network.embed(some) for some in torch.cat(pixels).split(_EMBEDDED_AT_ONCE)]
        features = [torch.cat(grids) for grids in zip(*parts, strict=True)]
        regions: list[Region] = []
        for number, (frame, layer) in enumerate(zip(frames, layers, strict=True)):
            per_side = settings.crop_points_per_side if number else settings.points_per_side
            for crop in layer:
                own = [grid[len(regions) : len(regions) + 1] for grid in features]
                regions.append(Region(crop, frame, self._at_grid(own, frame, per_side)))
        return partial(_chosen, regions, settings, height, width)

    def _at_grid(self, features: list[Float[Tensor, "1 _ _ _"]], frame: ModelFrame, per_side: int) -> Candidates:
        """Three masks at each point of a grid.

        Of a small model on a GPU this is recorded: its hundreds of kernels take the host longer than the GPU.
        """
        offset, key = self.settings.stability_offset, (frame, per_side, self.settings.stability_offset)
        if key not in self._recorded and not self._worth_recording(features, per_side):
            points = grid_points(per_side, frame.height_px, frame.width_px, self.device)
            return SamImage(self.network, features, frame).candidates(points, offset)
        if key not in self._recorded:
            points = grid_points(per_side, frame.height_px, frame.width_px, self.device)

            network = self.network  # not `self`, which keeps the recording, and would never be freed

            def decode(grid: Tensor) -> tuple[Tensor, ...]:
                found = SamImage(network, [grid], frame).candidates(points, offset)
                return found.logits, found.predicted_iou, found.stability

            self._recorded[key] = Recorded(decode)
        return Candidates(*self._recorded[key](features[0]))

    def _worth_recording(self, features: list[Float[Tensor, "1 _ _ _"]], per_side: int) -> bool:
        """Whether a GPU has room for what a recording keeps: all that is decoded at once."""
        if self.device.type != "cuda" or len(features) > 1 or len(self._recorded) >= _MOST_RECORDED:
            return False
        needed = per_side**2 * self.network.bytes_of_prompt(features)
        return needed <= min(_CHUNK_BYTES["cuda"], torch.cuda.mem_get_info(self.device)[0] / 4)


@torch.no_grad()
def _chosen(regions: list[Region], settings: EverythingSettings, height_px: int, width_px: int) -> ProposedMasks:
    return masks_of_photo(regions, settings, height_px, width_px)


def grid_points(per_side: int, height_px: int, width_px: int, device: torch.device) -> Float[Tensor, "n 2"]:
    """(x, y) of the centres of per_side × per_side cells of a photo, row by row."""
    centres = (torch.arange(per_side, device=device) + 0.5) / per_side
    y, x = torch.meshgrid(centres * height_px, centres * width_px, indexing="ij")
    return torch.stack([x, y], dim=-1).reshape(-1, 2)


def load_sam(spec: str, device: torch.device, settings: EverythingSettings | None = None) -> SamProposer:
    """Load "sam:ORG/NAME", "sam:local-dir:PATH", "sam:NAME/random", or the same of "sam2:".

    Args:
        settings: of everything mode; as published unless given.

    Raises:
        UsageError: transformers is not installed, or random weights of a size that is not known.
        WeightsError: the weights are missing, torn, or another model's.
    """
    source = find_sam(spec)
    model = build_sam(source, spec)
    settings = settings or _PUBLISHED[source.family]
    card = _card(spec, source, model, settings)
    return SamProposer(SamNetwork(model, compute_dtype(device), device), card, settings, device)


def _card(spec: str, source: SamSource, model: Any, settings: EverythingSettings) -> EncoderCard:
    side = int(model.config.prompt_encoder_config.image_size)
    size = source.preprocessing.get("size", {})
    asked = size.get("longest_edge", size.get("height", side)) if isinstance(size, dict) else size
    if asked != side:
        raise WeightsError(f"{spec}: its pictures are resized to {asked} px, but its prompts are of {side} px")
    config = {name: value for name, value in source.config.items() if name not in _NOT_IN_DIGEST}
    mean, std = source.colours()
    digest = {"family": source.family, "config": config, "size_px": side, "everything": settings.to_json()}
    return EncoderCard(
        spec=spec,
        weights_sha256=file_sha256(source.weights) if source.weights else RANDOM,
        config_sha256=json_sha256(digest),
        embed_dim=int(model.config.prompt_encoder_config.hidden_size),
        input_size_px=side,
        mean=mean,
        std=std,
        interpolation="bilinear",
        licence="Apache-2.0" if ":facebook/sam" in spec else "unknown",
        parameters=sum(parameter.numel() for parameter in model.parameters()),
    )
