"""Encoders inside the package: a folder as any other, with a card of its own."""

import json
import shutil
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from langfield.core.errors import UsageError, WeightsError
from langfield.encoders import builtin
from langfield.encoders.registry import load_image_text


def test_an_unknown_name_and_missing_weights_are_said(monkeypatch, tmp_path: Path):
    with pytest.raises(UsageError, match=r"builtin:huge does not exist; there is builtin:mini"):
        load_image_text("builtin:huge")
    monkeypatch.setattr(builtin, "files", lambda package: tmp_path)
    with pytest.raises(WeightsError, match="not in this copy of langfield"):
        load_image_text("builtin:mini")


def test_it_is_the_folders_encoder_with_its_own_temperature(monkeypatch, tmp_path: Path, tiny_openclip: Path):
    folder = tmp_path / "builtin_weights" / "mini"
    shutil.copytree(tiny_openclip, folder)
    (folder / "langfield_card.json").write_text(json.dumps({"licence": "Apache-2.0", "temperature": 17.0}))
    monkeypatch.setattr(builtin, "files", lambda package: tmp_path)
    plain = load_image_text(f"openclip:local-dir:{tiny_openclip}")
    encoder = load_image_text("builtin:mini")
    assert (encoder.card.spec, encoder.card.temperature, encoder.card.licence) == ("builtin:mini", 17.0, "Apache-2.0")
    assert encoder.card.identity() == plain.card.identity()
    assert torch.equal(encoder.encode_texts(["mug"]), plain.encode_texts(["mug"]))


def test_the_bundled_encoder_names_things_on_the_bundled_photos():
    """Crops around things as the truth has them, among the nouns of all things that the scene has or lacks."""
    scene = Path(str(files("langfield").joinpath("bundled", "table")))
    truth = json.loads((scene / "queries.json").read_text())
    nouns = [query["text"] for query in truth["queries"] if query["kind"] in ("object", "absent")]
    encoder = load_image_text("builtin:mini")
    texts = encoder.encode_texts(nouns)
    right = []
    for labels in sorted((scene / "gt").glob("*_ids.png")):
        ids = np.array(Image.open(labels)).astype(int) - truth["id_png_offset"]
        with Image.open(scene / "images" / f"{labels.name.removesuffix('_ids.png')}.jpg") as photo:
            for instance in truth["instances"]:
                rows, columns = np.nonzero(ids == instance["id"])
                if len(rows) < 400:
                    continue
                half = 0.6 * max(np.ptp(rows), np.ptp(columns))
                x, y = (columns.min() + columns.max()) / 2, (rows.min() + rows.max()) / 2
                crop = photo.crop((int(x - half), int(y - half), int(x + half), int(y + half)))
                pixels = np.array(crop.resize((encoder.card.input_size_px,) * 2, Image.Resampling.BICUBIC)) / 255
                image = encoder.encode_images(torch.from_numpy(pixels).float().permute(2, 0, 1)[None])
                right.append(nouns[int((image @ texts.T).argmax())] == instance["kind"])
    assert len(right) > 40
    assert np.mean(right) >= 0.8
