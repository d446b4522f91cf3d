"""Figures of a model on pictures with true masks: python training/masks/evaluate.py MODEL DATA [--ids FOLDER].

One click in the middle of each thing, its box, and all that a grid of clicks finds ("everything").
"""

import argparse
import itertools
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch
from PIL import Image
from scipy import ndimage
from torch import Tensor
from torch.nn.functional import interpolate, pad
from training.masks.card import EVERYTHING, PROMPT_ZOOM, RECORD, write_card
from training.masks.data import FIRST_THING, NOTHING, Scene, read_scenes
from training.masks.fast import Fast, as_pictures
from training.masks.model import MEAN, STD, load_folder
from training.masks.prompts import EQUALS, PART, THING
from transformers import SamModel

from langfield.encoders.masks.base import EverythingSettings, PromptedMasks
from langfield.encoders.masks.crops import layers_of_crops
from langfield.encoders.masks.everything import Candidates, Region, masks_of_photo
from langfield.encoders.masks.frame import ModelFrame
from langfield.encoders.masks.zoom import ZoomedImage

LEAST_PX = 100
_BENCH_OFFSET = 5
_AT_ONCE = 64


@dataclass(frozen=True)
class Photo:
    """A picture (H, W, 3) uint8 and its true masks: for each thing with 100 pixels or more a mask (H, W), the part at
    its middle and its set of equals, None where it has no parts or no equals in the picture; and its middle (x, y)."""

    rgb: np.ndarray
    things: np.ndarray
    parts: list[np.ndarray | None]
    equals: list[np.ndarray | None]
    middles: np.ndarray


def photo_of(rgb: np.ndarray, ids: np.ndarray, parts: np.ndarray, alike: np.ndarray, shown: np.ndarray) -> Photo | None:
    """A picture's masks of the ids in `shown`; None where it shows none large enough. Shapes as in `data.Scene`."""
    counts = np.bincount(ids.ravel(), minlength=256)
    found = [thing for thing in np.flatnonzero(counts >= LEAST_PX) if shown[thing]]
    if not found:
        return None
    things = np.stack([ids == thing for thing in found])
    middles = np.array([middle_of(mask) for mask in things])
    part_masks, equal_masks = [], []
    for thing, mask, (x, y) in zip(found, things, middles, strict=True):
        part = mask & (parts == parts[y, x])
        part_masks.append(part if part.sum() < mask.sum() else None)
        equal = np.isin(ids, np.flatnonzero(alike == alike[thing])) if alike[thing] else mask
        equal_masks.append(equal if equal.sum() > mask.sum() else None)
    return Photo(rgb, things, part_masks, equal_masks, middles)


def middle_of(mask: np.ndarray) -> tuple[int, int]:
    """x, y of the pixel that is farthest from a mask's border; the picture's edge is border too."""
    ys, xs = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    cut = mask[ys[0] : ys[-1] + 1, xs[0] : xs[-1] + 1]
    depth = np.asarray(ndimage.distance_transform_edt(np.pad(cut, 1)))
    y, x = np.unravel_index(int(np.argmax(depth)), depth.shape)
    return int(x) - 1 + int(xs[0]), int(y) - 1 + int(ys[0])


def photos_of_scenes(scenes: Sequence[Scene], most: int) -> list[Photo]:
    """Pictures of scenes, at most so many, of as many scenes as there are."""
    shown = np.zeros(256, bool)
    shown[FIRST_THING:NOTHING] = True
    views = max((len(scene.rgb) for scene in scenes), default=0)
    places = [(scene, view) for view in range(views) for scene in scenes if view < len(scene.rgb)][:most]
    photos = (photo_of(s.rgb[v], s.ids[v], s.parts[v], s.alike, shown) for s, v in places)
    return [photo for photo in photos if photo is not None]


def photos_of_bench(folder: Path) -> list[Photo]:
    """Pictures of a folder of images/NAME.jpg and gt/NAME_ids.png, whose values are 5 more than a thing's number.

    Raises:
        FileNotFoundError: there is no gt/*_ids.png in it.
    """
    paths = sorted((folder / "gt").glob("*_ids.png"))
    if not paths:
        raise FileNotFoundError(f"{folder / 'gt'} holds no *_ids.png: give a folder of images/ and gt/")
    shown = np.zeros(256, bool)
    shown[_BENCH_OFFSET:] = True
    photos = []
    for path in paths:
        ids = np.asarray(Image.open(path)).astype(np.uint8)
        name = path.name.removesuffix("_ids.png")
        image = next(path for ending in ("jpg", "png") if (path := folder / "images" / f"{name}.{ending}").exists())
        rgb = np.asarray(Image.open(image).convert("RGB"))
        photos.append(photo_of(rgb, ids, np.zeros_like(ids), np.zeros(256, np.uint8), shown))
    return [photo for photo in photos if photo is not None]


class Asker:
    """A model and one picture's embedding: masks at the picture's own size."""

    def __init__(self, fast: Fast, rgb: np.ndarray) -> None:
        vision: Any = fast.model.config.vision_config
        self.fast, self.side = fast, vision.image_size
        self.height, self.width = rgb.shape[:2]
        self.scale = self.side / max(self.height, self.width)
        self.read = round(self.height * self.scale), round(self.width * self.scale)
        device = fast.model.device
        picture = torch.from_numpy(rgb.copy()).to(device).permute(2, 0, 1)[None].float() / 255
        picture = interpolate(picture, size=self.read, mode="bilinear", antialias=True, align_corners=False)
        mean, std = (torch.tensor(v, device=device).view(1, 3, 1, 1) for v in (MEAN, STD))
        picture = pad((picture - mean) / std, (0, self.side - self.read[1], 0, self.side - self.read[0]))
        self.embedding = fast.encode(picture)

    def clicks(self, xy: np.ndarray) -> tuple[Tensor, Tensor]:
        """Logits (Q, 4, m, m) at low resolution and said IoUs (Q, 4) of clicks (Q, 2) in pixels of the picture."""
        points = torch.from_numpy(np.asarray(xy, np.float32) * self.scale).to(self.embedding.device)[None, :, None]
        labels = torch.ones(points.shape[:3], dtype=torch.long, device=points.device)
        return self._decoded(self.fast.model.prompt_encoder(points, labels, None, None)[0])

    def boxes(self, boxes: np.ndarray) -> tuple[Tensor, Tensor]:
        """The same for boxes (Q, 4)."""
        corners = torch.from_numpy(np.asarray(boxes, np.float32) * self.scale).to(self.embedding.device)[None]
        return self._decoded(self.fast.model.prompt_encoder(None, None, corners, None)[0])

    def _decoded(self, prompts: Tensor) -> tuple[Tensor, Tensor]:
        found = [self.fast.decode(self.embedding, some) for some in prompts.split(_AT_ONCE, 1)]
        logits, iou = (torch.cat(parts, 1)[0].float() for parts in zip(*found, strict=True))
        return as_pictures(logits), iou

    def full(self, logits: Tensor) -> Tensor:
        """(Q, m, m) → masks (Q, H, W), as SamImageProcessor's post_process_masks."""
        if not len(logits):
            return torch.zeros((0, self.height, self.width), dtype=torch.bool, device=logits.device)
        large = interpolate(logits[:, None], size=(self.side, self.side), mode="bilinear", align_corners=False)
        cut = large[..., : self.read[0], : self.read[1]]
        return interpolate(cut, size=(self.height, self.width), mode="bilinear", align_corners=False)[:, 0] > 0


@dataclass(frozen=True)
class Clicked:
    """A picture (H, W, 3) as what langfield asks: `PromptableImage`, of one click a prompt."""

    fast: Fast
    rgb: Tensor

    def masks_at(self, points_px: Tensor, labels: Tensor, boxes_px: Tensor | None = None) -> PromptedMasks:
        """The three candidates of each click."""
        asker = Asker(self.fast, self.rgb.cpu().numpy())
        logits, said = asker.clicks(points_px[:, 0].cpu().numpy())
        masks = torch.stack([asker.full(logits[:, token]) for token in range(1, 4)], 1)
        return PromptedMasks.smallest_first(masks, said[:, 1:])


def zoomed_clicks(fast: Fast, rgb: np.ndarray, xy: np.ndarray) -> Tensor:
    """(Q, H, W) the middle candidates of clicks (Q, 2), asked again in crops."""
    picture = torch.from_numpy(rgb.copy())
    image = ZoomedImage(picture, Clicked(fast, picture), lambda crop: Clicked(fast, crop), PROMPT_ZOOM)
    points = torch.from_numpy(np.asarray(xy, np.float32))[:, None].to(fast.model.device)
    return image.masks_at(points, torch.ones(points.shape[:2], dtype=torch.long, device=points.device)).masks[:, 1]


def everything(fast: Fast, rgb: np.ndarray) -> Tensor:
    """(M, H, W) masks that a grid of clicks finds in a picture and in its crops, as langfield chooses them."""
    settings, regions = EverythingSettings(**EVERYTHING), []
    crops = itertools.chain.from_iterable(layers_of_crops(settings.crop_layers, *rgb.shape[:2]))
    for number, crop in enumerate(crops):
        asker = Asker(fast, crop.of(torch.from_numpy(rgb.copy())).numpy())
        points = settings.crop_points_per_side if number else settings.points_per_side
        shares = (np.arange(points) + 0.5) / points
        grid = np.stack(np.meshgrid(shares * asker.width, shares * asker.height), -1).reshape(-1, 2)
        logits, said = asker.clicks(grid)
        frame = ModelFrame.padded(asker.height, asker.width, asker.side)
        regions.append(Region(crop, frame, candidates_of(logits[:, 1:].flatten(0, 1), said[:, 1:].flatten())))
    return masks_of_photo(regions, settings, *rgb.shape[:2]).masks


def candidates_of(logits: Tensor, said: Tensor) -> Candidates:
    """N candidates by their logits (N, m, m) and the IoUs (N,) that the model says; their stability over the
    whole square, of which langfield takes the part that shows the picture."""
    off = EVERYTHING["stability_offset"]
    stable = (logits > off).sum((1, 2)) / (logits > -off).sum((1, 2)).clamp(min=1)
    return Candidates(logits, said, stable)


def overlaps(masks: Tensor, truth: Tensor) -> Tensor:
    """(A, H, W), (B, H, W) → (A, B) IoUs."""
    a, b = masks.flatten(1).float(), truth.flatten(1).float()
    both = a @ b.T
    return both / (a.sum(1)[:, None] + b.sum(1)[None] - both).clamp(min=1)


def _of_photo(fast: Fast, photo: Photo) -> dict[str, list[float]]:
    asker = Asker(fast, photo.rgb)
    truth = torch.from_numpy(photo.things).to(asker.embedding.device)
    logits, said = asker.clicks(photo.middles)
    by_token = torch.stack([overlaps(asker.full(logits[:, k]), truth).diagonal() for k in range(logits.shape[1])], 1)
    chosen = by_token[:, 1:].gather(1, said[:, 1:].argmax(1, keepdim=True))
    found = {
        "click_thing": by_token[:, 1 + THING],
        "click_single": by_token[:, 0],
        "click_best_of_3": by_token[:, 1:].amax(1),
        "click_most_sure": chosen[:, 0],
        "iou_said_error": (said[:, 1 + THING] - by_token[:, 1 + THING]).abs(),
    }
    found["click_zoomed"] = overlaps(zoomed_clicks(fast, photo.rgb, photo.middles), truth).diagonal()
    result = {key: value.tolist() for key, value in found.items()}
    for name, level, masks in (("click_part", PART, photo.parts), ("click_equals", EQUALS, photo.equals)):
        there = [k for k, mask in enumerate(masks) if mask is not None]
        true = torch.from_numpy(np.stack([m for m in masks if m is not None])) if there else truth[:0]
        said_masks = asker.full(logits[there, 1 + level])
        result[name] = overlaps(said_masks, true.to(truth.device)).diagonal().tolist()
    boxes = np.array([_box(mask) for mask in photo.things])
    result["box"] = overlaps(asker.full(asker.boxes(boxes)[0][:, 0]), truth).diagonal().tolist()
    masks = everything(fast, photo.rgb)
    best = overlaps(masks, truth).amax(0) if len(masks) else torch.zeros(len(truth))
    result["recall_50"], result["recall_75"] = ((best >= t).float().tolist() for t in (0.5, 0.75))
    result["masks_a_picture"] = [float(len(masks))]
    return result


def _box(mask: np.ndarray) -> tuple[int, int, int, int]:
    ys, xs = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    return int(xs[0]), int(ys[0]), int(xs[-1]) + 1, int(ys[-1]) + 1


@torch.inference_mode()
def evaluate(model: SamModel, photos: Sequence[Photo]) -> dict[str, float | int | None]:
    """Mean figures over all things of all pictures; None where nothing was to be measured."""
    started = time.perf_counter()
    fast = Fast(model, torch.bfloat16 if model.device.type == "cuda" else torch.float32)
    sums: dict[str, list[float]] = {}
    for found in _results(fast, photos):
        for key, values in found.items():
            sums.setdefault(key, []).extend(values)
    figures: dict[str, float | int | None] = {"pictures": len(photos), "things": len(sums.get("box", ()))}
    figures |= {key: float(np.mean(values)) if values else None for key, values in sums.items()}
    said = ", ".join(f"{key} {'none' if value is None else f'{value:.3f}'}" for key, value in figures.items())
    print(f"{said}; in {time.perf_counter() - started:.0f} s", flush=True)
    return figures


def _results(fast: Fast, photos: Sequence[Photo]) -> Iterator[dict[str, list[float]]]:
    for photo in photos:
        yield _of_photo(fast, photo)


def main(given: list[str] | None = None) -> None:
    """Evaluate a folder's model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path, nargs="*", help="folders of scenes; only those that are held out count")
    parser.add_argument("--ids", type=Path, nargs="+", default=[], help="folders of images/ and gt/*_ids.png")
    parser.add_argument("--pictures", type=int, default=240)
    parser.add_argument(
        "--card", action="store_true", help="write the model's figures.json, langfield_card.json, CARD.md"
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args(given)
    model = load_folder(args.model).to(args.device).eval()
    scenes = [scene for scene in read_scenes(args.data) if scene.held_out]
    sets = {"held-out scenes": photos_of_scenes(scenes, args.pictures)}
    sets |= {folder.name: photos_of_bench(folder) for folder in args.ids}
    figures: dict[str, Any] = {}
    for name, photos in sets.items():
        if photos:
            print(name, end=": ")
            figures[name] = evaluate(model, photos)
    if args.card:
        write_card(args.model, figures, json.loads((args.model / RECORD).read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
