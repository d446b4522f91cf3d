"""Where masks are lost: each stage of an answer replaced by the truth in turn.

python benchmarks/oracles.py RUN SCENE [--side 160] [--every 1] [--device auto]

SCENE has queries.json and gt/. Of the phrases of kinds object, attribute and synonym in its test views it prints, as
means over all pairs of phrase and view:

    encoder      share of perfect crops (the thing's own square) that the encoder names right among the scene's objects
    coded        … when each crop's embedding is a mix of the run's codes, if it has a codebook
    lifted       … by what the scene says where the thing is, at the size of crops nearest the thing's: what is left
                 after crops are not perfect, are averaged over photos and kept in the scene
    raw          IoU of relevancy as rendered, cut by LERF-OVS's rule
    refined      the same rule on relevancy brought into line with the surface, which is what answers
    level        … of each phrase at whichever one level suits it best
    cut          … cut at whichever of seven shares of the highest suits it best, instead of by the rule
    segments     … after averaging it over the true things and the rest: what perfect segmentation would leave
    masks        IoU of the answers' own masks
    surface      IoU of masks read back from the surface when its cubes are told the truth: what its resolution costs
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float32

from asking import encoded, index_of, view_of
from langfield.data.images import decode_image
from langfield.data.scene import open_scene
from langfield.data.views import View
from langfield.evaluation.labels.base import Label, Labels
from langfield.evaluation.labels.layouts import open_labels
from langfield.evaluation.masks import ious, lerf_ovs_masks
from langfield.evaluation.metrics import resized_maps
from langfield.evaluation.protocols.names import HEADLINE_KINDS
from langfield.features.codebook import nearest_codes
from langfield.models.gaussians.splat import Splat
from langfield.query.answers import ViewAnswers
from langfield.query.index.raster import raster_pixels
from langfield.query.session import Session

_CUTS = 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9
_CROP_MARGIN = 1.1  # of a perfect crop's side over the thing's


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("run")
    parser.add_argument("scene", type=Path)
    parser.add_argument("--side", type=int, default=160, help="longest side that phrases are asked at, in pixels")
    parser.add_argument("--every", type=int, default=1, help="take every so many test views")
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    session = Session.open(arguments.run, device=arguments.device)
    scene = open_scene(arguments.scene)
    views = [scene.views[index] for index in scene.test][:: arguments.every]
    labels = open_labels(arguments.scene / "queries.json", views)
    surface = _OnSurface(session)
    found: dict[str, list[float]] = defaultdict(list)
    pending = []
    for view in views:
        asked = _asked(labels, view)
        camera = view.camera.fit_within(arguments.side)
        answers = session.ask_view(camera, [label.phrase for label in asked])
        truth = torch.from_numpy(np.stack([label.mask for label in asked]))
        things = _things(labels, view)
        read = surface.learn(camera, answers, asked)
        refined = _fine(answers.refined, truth)
        found["raw"] += ious(lerf_ovs_masks(_fine(answers.relevancy, truth)), truth).tolist()
        found["refined"] += ious(lerf_ovs_masks(refined), truth).tolist()
        levels = [ious(lerf_ovs_masks(_fine(maps, truth)), truth) for maps in surface.levels(read, asked)]
        found["level"] += torch.stack(levels).amax(dim=0).tolist()
        found["cut"] += _best_cut(refined, truth).tolist()
        found["segments"] += ious(lerf_ovs_masks(_averaged(refined, things)), truth).tolist()
        found["masks"] += ious(_fine(answers.masks.astype(np.float32), truth) > 0.5, truth).tolist()
        pending.append((asked, truth, read))
        crops = _perfect_crops(view, labels)
        for name, embeddings in _said_of(session, crops, surface.language(read, crops)).items():
            found[name] += _named(session, labels, crops, embeddings)
        print(view.name, {name: round(float(np.mean(values)), 3) for name, values in found.items()}, flush=True)
    for asked, truth, reader in pending:
        found["surface"] += ious(_fine(surface.read(reader, asked), truth) > 0.5, truth).tolist()
    for name in ("encoder", "coded", "lifted", "raw", "refined", "level", "cut", "segments", "masks", "surface"):
        if found[name]:
            print(f"{name:10s} {np.mean(found[name]):.3f} of {len(found[name])}")


def _asked(labels: Labels, view: View) -> list[Label]:
    seen = labels.of_view(view)
    assert seen is not None
    return [label for label in seen.labels if label.kind in HEADLINE_KINDS]


def _things(labels: Labels, view: View) -> list[Bool[np.ndarray, "h w"]]:
    """The masks of the objects that can be seen, without overlap, and what is left."""
    masks, left = [], None
    for label in _asked(labels, view):
        if label.kind == "object":
            left = np.ones_like(label.mask) if left is None else left
            masks.append(label.mask & left)
            left &= ~label.mask
    return [*masks, left] if left is not None else []


def _fine(maps: Float32[np.ndarray, "p h w"], like: torch.Tensor) -> torch.Tensor:
    return resized_maps(torch.from_numpy(np.ascontiguousarray(maps)), like.shape[2], like.shape[1])


def _best_cut(maps: Float32[torch.Tensor, "p h w"], truth: Bool[torch.Tensor, "p h w"]) -> Float32[torch.Tensor, " p"]:
    highest = maps.amax(dim=(1, 2), keepdim=True)
    return torch.stack([ious(maps > share * highest, truth) for share in _CUTS]).amax(dim=0)


def _averaged(maps: Float32[torch.Tensor, "p h w"], things: list[Bool[np.ndarray, "h w"]]) -> torch.Tensor:
    out = maps.clone()
    for mask in map(torch.from_numpy, things):
        if mask.any():
            out[:, mask] = maps[:, mask].mean(dim=1, keepdim=True)
    return out


@dataclass(frozen=True)
class _Crop:
    """A thing of which a view shows one part: its square, how high the thing is over the picture, and its phrase."""

    picture: Float32[torch.Tensor, "3 h w"]
    height_share: float
    label: Label


def _perfect_crops(view: View, labels: Labels) -> list[_Crop]:
    photo = (
        torch.from_numpy(decode_image(view.image_path, view.size_px, view.white_level)).permute(2, 0, 1).float() / 255
    )
    crops = []
    for label in _asked(labels, view):
        if label.kind == "object" and len(label.boxes) == 1:
            left, top, right, bottom = label.boxes[0] * view.size_px[0] / label.mask.shape[1]
            half = _CROP_MARGIN * max(right - left, bottom - top) / 2
            x, y = (left + right) / 2, (top + bottom) / 2
            low_x, low_y = max(int(x - half), 0), max(int(y - half), 0)
            crop = photo[:, low_y : int(y + half) + 1, low_x : int(x + half) + 1]
            crops.append(_Crop(crop, 2 * half / view.size_px[1], label))
    return crops


def _said_of(session: Session, crops: list[_Crop], lifted: torch.Tensor) -> dict[str, torch.Tensor]:
    """Embeddings of the crops: of the encoder, of the run's codes for those, and of the scene."""
    if not crops:
        return {}
    side = session.encoder.card.input_size_px
    resized = [torch.nn.functional.interpolate(crop.picture[None], (side, side), mode="bilinear")[0] for crop in crops]
    seen = session.encoder.encode_images(torch.stack(resized).to(session.device)).float().cpu()
    found = {"encoder": seen, "lifted": lifted}
    model = session.model
    if isinstance(model, Splat) and len(model.language.codebook):
        codebook = model.language.codebook.float().cpu()
        codes, shares = nearest_codes(seen, codebook, model.config.lifting.codes_per_crop)
        found["coded"] = (codebook[codes] * shares[:, :, None]).sum(dim=1)
    return found


def _named(session: Session, labels: Labels, crops: list[_Crop], embeddings: torch.Tensor) -> list[float]:
    """Whether each crop's own phrase is the nearest among all object phrases."""
    objects = list(dict.fromkeys(phrase.text for phrase in labels.phrases if phrase.kind == "object"))
    words = session.encoder.encode_texts(objects).float().cpu()
    best = (embeddings @ words.T).argmax(dim=1).tolist()
    return [float(objects[index] == crop.label.phrase) for index, crop in zip(best, crops, strict=True)]


class _OnSurface:
    """The true share of each phrase in each voxel of a session's surface, as the test views show it."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._index = index_of(session)
        self._voxels = self._index.voxels
        self._true: dict[str, np.ndarray] = {}
        self._seen = np.zeros(len(self._voxels))
        self._levels: dict[str, np.ndarray] = {}

    def learn(self, camera, answers: ViewAnswers, asked: list[Label]):
        view = view_of(self._session, camera)
        pixels, shape = raster_pixels(view, 1)
        self._height_over_focal = camera.height_px / camera.fy_px
        reader, _ = self._voxels.interpolation_at(view.points_scene[pixels].cpu().numpy().astype(np.float64))
        self._seen += reader.T @ np.ones(len(pixels))
        for label in asked:
            mask = _coarse(label.mask, shape)
            self._true[label.phrase] = self._true.get(label.phrase, 0.0) + reader.T @ mask.ravel()
        return reader, shape

    def language(self, read, crops: list[_Crop]) -> Float32[torch.Tensor, "c d"]:
        """The mean embedding of what each crop's thing covers, at the size of crops nearest its own."""
        reader, shape = read
        said = []
        for crop in crops:
            inside = torch.from_numpy(reader.T @ _coarse(crop.label.mask, shape).ravel()).float()
            angles = np.log(self._index.crop_angles)
            height = np.log(crop.height_share * self._height_over_focal)
            embeddings = self._index.embeddings.vectors[int(np.abs(angles - height).argmin())].float().cpu()
            said.append(torch.nn.functional.normalize(inside @ embeddings, dim=0))
        return torch.stack(said) if said else torch.zeros(0, self._index.embeddings.vectors.shape[2])

    def levels(self, read, asked: list[Label]) -> Iterator[Float32[np.ndarray, "p h w"]]:
        """Relevancy in line with the surface, of one level after the other."""
        reader, shape = read
        for text in {label.phrase for label in asked} - set(self._levels):
            every = self._index.embeddings.relevancy(encoded(self._session, [text]))[:, 0]
            self._levels[text] = self._index.graph.smoothed(every).cpu().numpy()
        for values in np.stack([self._levels[label.phrase] for label in asked], axis=1):
            yield (reader @ values.T).T.reshape(-1, *shape).astype(np.float32)

    def read(self, read, asked: list[Label]) -> Float32[np.ndarray, "p h w"]:
        reader, shape = read
        share = [self._true[label.phrase] / np.maximum(self._seen, 1e-9) for label in asked]
        return np.stack([(reader @ values).reshape(shape) for values in share]).astype(np.float32)


def _coarse(mask: Bool[np.ndarray, "h w"], shape: tuple[int, int]) -> Float32[np.ndarray, "h2 w2"]:
    return torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(mask.astype(np.float32))[None], shape)[0].numpy()


if __name__ == "__main__":
    main()
