"""Encoders inside the package: a folder as any other, with a card of its own."""

import json
import shutil
from pathlib import Path

import pytest
import torch

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
