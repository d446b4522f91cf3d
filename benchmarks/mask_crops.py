"""Which background behind a thing's crop an image-text encoder names it best before.

    python benchmarks/mask_crops.py SCENE... --encoder openclip:local-dir:FOLDER

Each SCENE has queries.json and gt/ with the ids of its test views. The true mask of every instance that shows enough
pixels is cut out and named among the scene's nouns (`kind` in queries.json), and among its instances' whole names.
Prints the share named right: with the background as it is, darkened to a quarter, and blurred, as langfield does it.
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from langfield.core.devices import resolve_device
from langfield.data.images import decode_image
from langfield.data.scene import open_scene
from langfield.data.views import Scene
from langfield.encoders.base import ImageTextEncoder
from langfield.encoders.registry import load_image_text
from langfield.features.mask_crops import before_blurred, square_crops, squares_px
from langfield.features.run_lengths import encode_runs

DIMMED = 0.25
Crops = dict[str, torch.Tensor]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("scenes", nargs="+", type=Path)
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--min-area", type=int, default=120, help="pixels that a thing must show")
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    encoder = load_image_text(arguments.encoder, resolve_device(arguments.device))
    for scene in map(open_scene, arguments.scenes):
        shares = named_right(scene, encoder, arguments.min_area)
        for words, found in shares.items():
            row = " | ".join(f"{background} {np.mean(right):.3f}" for background, right in found.items())
            print(f"{scene.root.name} {words}: {row} (of {len(found['blurred'])})", flush=True)


def named_right(scene: Scene, encoder: ImageTextEncoder, min_area_px: int) -> dict[str, dict[str, list[bool]]]:
    """For each mask whether it was named right: by words ("nouns", "names") and background."""
    file = json.loads((scene.root / "queries.json").read_text())
    of_words = {
        "nouns": {instance["id"]: instance["kind"] for instance in file["instances"]},
        "names": {instance["id"]: instance["name"] for instance in file["instances"]},
    }
    texts = {words: sorted(set(of_instance.values())) for words, of_instance in of_words.items()}
    phrases = {words: encoder.encode_texts(texts[words]) for words in texts}
    found: dict[str, dict[str, list[bool]]] = {words: defaultdict(list) for words in texts}
    for view in (scene.views[index] for index in scene.test):
        photo = torch.from_numpy(decode_image(view.image_path, view.size_px, view.white_level)).to(encoder.device)
        with Image.open(scene.root / "gt" / f"{Path(view.name).stem}_ids.png") as picture:
            ids = np.asarray(picture).astype(int) - file["id_png_offset"]
        shown = [number for number in of_words["nouns"] if (ids == number).sum() >= min_area_px]
        masks = torch.from_numpy(np.stack([ids == number for number in shown])).to(encoder.device)
        for background, crops in with_backgrounds(photo, masks, encoder.card.input_size_px).items():
            embeddings = encoder.encode_images(crops)
            for words, of_instance in of_words.items():
                named = (embeddings @ phrases[words].T).argmax(dim=1).tolist()
                pairs = zip(shown, named, strict=True)
                found[words][background] += [texts[words][best] == of_instance[number] for number, best in pairs]
    return found


def with_backgrounds(photo: torch.Tensor, masks: torch.Tensor, size_px: int) -> Crops:
    """The crops of a photo's masks with each background."""
    squares = squares_px(encode_runs(masks).boxes_px)
    sharp = square_crops(photo.permute(2, 0, 1)[None].float() / 255, squares, size_px)
    inside = square_crops(masks[:, None].float(), squares, size_px)
    dimmed = sharp * (DIMMED + (1 - DIMMED) * inside)
    return {"as it is": sharp, "dimmed": dimmed, "blurred": before_blurred(sharp, inside)}


if __name__ == "__main__":
    main()
