import gc
import hashlib
import json
import logging
import shutil
import weakref

import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torchvision.transforms.functional import to_pil_image

from langfield.core.errors import UsageError, WeightsError
from langfield.encoders.base import ImageTextEncoder
from langfield.encoders.openclip import _fold_batch_norms
from langfield.encoders.registry import load_image_text

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def tiny(tiny_openclip):
    return load_image_text(f"openclip:local-dir:{tiny_openclip}")


@pytest.fixture
def folder(tiny_openclip, tmp_path):
    return shutil.copytree(tiny_openclip, tmp_path / "copy")


def crops(count, size=32):
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(1))


def test_the_card_says_what_the_folder_says(tiny, tiny_openclip):
    card = tiny.card
    weights = (tiny_openclip / "open_clip_model.safetensors").read_bytes()
    assert isinstance(tiny, ImageTextEncoder)
    assert card.spec == f"openclip:local-dir:{tiny_openclip}"
    assert card.weights_sha256 == hashlib.sha256(weights).hexdigest()
    assert (card.embed_dim, card.input_size_px, card.interpolation) == (16, 32, "bilinear")
    assert (card.mean, card.std) == ((0.4, 0.5, 0.6), (0.2, 0.25, 0.3))
    assert card.parameters > 49408 * 16


def test_embeddings_are_unit_float32(tiny):
    for embeddings in (tiny.encode_images(crops(5)), tiny.encode_texts(["a mug", "", "ünïcode", "long " * 99])):
        assert embeddings.dtype == torch.float32
        torch.testing.assert_close(embeddings.norm(dim=-1), torch.ones(len(embeddings)))
    assert tiny.encode_texts([]).shape == (0, 16)


def test_an_encoder_that_is_let_go_is_gone(tiny_openclip):
    """At once: what follows needs its memory."""
    encoder = load_image_text(f"openclip:local-dir:{tiny_openclip}")
    model = weakref.ref(encoder._model)
    gc.collect()
    gc.disable()
    try:
        del encoder
        assert model() is None
    finally:
        gc.enable()


def test_images_and_texts_are_open_clips_own(tiny, tiny_openclip):
    """Against OpenCLIP's own model, PIL preprocessing and tokenizer, loaded the way its README does."""
    name = f"local-dir:{tiny_openclip}"
    model, _, preprocess = open_clip.create_model_and_transforms(name)
    model.eval()
    pictures = [to_pil_image((crop * 255).to(torch.uint8)) for crop in crops(4)]
    with torch.no_grad():
        theirs = model.encode_image(torch.stack([preprocess(p) for p in pictures]), normalize=True)
        texts = model.encode_text(open_clip.get_tokenizer(name)(["a yellow mug", "stuff"]), normalize=True)
    eight_bit = (crops(4) * 255).to(torch.uint8).float() / 255
    # bfloat16 on CPUs that have tiles for it: 8 bits of mantissa
    assert (tiny.encode_images(eight_bit) * theirs).sum(-1).min() > 0.9995
    torch.testing.assert_close(tiny.encode_texts(["a yellow mug", "stuff"]), texts)


def test_another_crop_size_is_a_programming_error(tiny):
    with pytest.raises(ValueError, match="crops must be 32 px square"):
        tiny.encode_images(crops(1, 48))


def test_relative_folders_work_and_the_card_keeps_what_was_given(tiny, tiny_openclip, monkeypatch):
    monkeypatch.chdir(tiny_openclip.parent)
    spec = f"openclip:local-dir:{tiny_openclip.name}"
    relative = load_image_text(spec)
    assert relative.card.spec == spec
    assert relative.card.identity() == tiny.card.identity()
    assert torch.equal(relative.encode_images(crops(2)), tiny.encode_images(crops(2)))


def test_another_architecture_or_preprocessing_is_another_identity(folder, tiny):
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["model_cfg"]["quick_gelu"] = True
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    changed = load_image_text(f"openclip:local-dir:{folder}").card
    assert changed.weights_sha256 == tiny.card.weights_sha256
    assert changed.identity() != tiny.card.identity()


def test_random_weights_repeat_and_leave_the_callers_randomness_alone(monkeypatch, caplog):
    state = torch.random.get_rng_state()
    with caplog.at_level(logging.WARNING):
        one = load_image_text("openclip:test-tiny/random") if _add_tiny(monkeypatch) else None
        two = load_image_text("openclip:test-tiny/random")
    assert one is not None
    assert one.card.weights_sha256 == "random"
    assert torch.equal(one.encode_images(crops(2)), two.encode_images(crops(2)))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not caplog.records  # OpenCLIP's "no pretrained weights loaded" is not for people


def test_a_sigmoid_loss_is_said_to_be_uncalibrated(monkeypatch, caplog):
    """SigLIP learns a bias; LERF's softmax over cosines was never fitted to it."""
    _add_tiny(monkeypatch, init_logit_bias=-10.0)
    with caplog.at_level(logging.WARNING):
        load_image_text("openclip:test-tiny/random")
    assert caplog.messages == [
        "relevancy is not calibrated for openclip:test-tiny/random (a sigmoid loss): "
        "order phrases by it, do not trust 0.5"
    ]


def _add_tiny(monkeypatch, **more):
    """A built-in name with a tiny architecture, so that this test costs nothing."""
    config = json.loads(json.dumps(open_clip.get_model_config("ViT-B-16")))
    config["vision_cfg"] |= {"layers": 1, "width": 64, "image_size": 32}
    config["text_cfg"] |= {"layers": 1, "width": 64, "heads": 1}
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "test-tiny", config | more)
    return True


@pytest.mark.parametrize(
    ("spec", "line"),
    [
        (
            "openclip:ViT-B-16/laion2b_s34b_b88k",
            "openclip:ViT-B-16/laion2b_s34b_b88k: open_clip_model.safetensors of the Hugging Face repository "
            "laion/CLIP-ViT-B-16-laion2B-s34B-b88K is not on this machine and could not be downloaded (no network); "
            "connect to the network once, or put open_clip_model.safetensors and open_clip_config.json into a folder "
            "and use openclip:local-dir:FOLDER",
        ),
        (
            "openclip:hf-hub:org/name",
            "openclip:hf-hub:org/name: open_clip_config.json of the Hugging Face repository org/name is not on this "
            "machine and could not be downloaded (no network); connect to the network once, or put "
            "open_clip_model.safetensors and open_clip_config.json into a folder and use openclip:local-dir:FOLDER",
        ),
    ],
)
def test_missing_weights_say_which_file_to_put_where(spec, line, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsError) as error:
        load_image_text(spec)
    assert str(error.value) == line


@pytest.mark.parametrize(
    ("spec", "line"),
    [
        ("openclip:vit-b16/x", "OpenCLIP has no model 'vit-b16'; near it are ViT-B-16"),
        ("openclip:ViT-B-16/nope", "OpenCLIP's ViT-B-16 has no weights 'nope', only openai, "),
        ("openclip:ViT-B-16", "OpenCLIP's ViT-B-16 has no weights '', only openai, "),
        ("mug:1", "'mug:1' names no image-text encoder: a spec is one of openclip:NAME/TAG, "),
        ("openclip:", "'openclip:' names no image-text encoder"),
        ("ViT-B-16", "'ViT-B-16' names no image-text encoder"),
    ],
)
def test_wrong_specs_say_what_there_is(spec, line):
    with pytest.raises(UsageError) as error:
        load_image_text(spec)
    assert line in str(error.value)
    assert "\n" not in str(error.value)


def _torn(folder):
    weights = folder / "open_clip_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    return weights, "not a whole safetensors file"


def _others(folder):
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["model_cfg"]["vision_cfg"]["width"] = 64
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    return folder / "open_clip_model.safetensors", "does not hold the weights of openclip:local-dir:"


def _no_weights(folder):
    (folder / "open_clip_model.safetensors").unlink()
    return folder, "found no weights file; name the weights open_clip_model.safetensors"


def _two_weights(folder):
    (folder / "open_clip_model.safetensors").rename(folder / "a.safetensors")
    (folder / "b.bin").write_bytes(b"")
    return folder, "found a.safetensors, b.bin; name the weights open_clip_model.safetensors"


def _no_config(folder):
    (folder / "open_clip_config.json").unlink()
    return folder, "no open_clip_config.json in this folder"


def _bad_config(folder):
    (folder / "open_clip_config.json").write_text('{"model_cfg": [1]}')
    return folder / "open_clip_config.json", "not an OpenCLIP configuration"


def _pickled(folder):
    """A pickle that would run code is refused by the safe loader, and the code does not run."""
    (folder / "open_clip_model.safetensors").unlink()
    marker = folder / "ran"
    body = b"cposix\nsystem\n(S'touch " + str(marker).encode() + b"'\ntR."
    (folder / "open_clip_pytorch_model.bin").write_bytes(body)
    return folder / "open_clip_pytorch_model.bin", "does not hold the weights of"


@pytest.mark.parametrize("spoil", [_torn, _others, _no_weights, _two_weights, _no_config, _bad_config, _pickled])
def test_a_spoilt_folder_is_one_line_naming_the_file(spoil, folder):
    file, line = spoil(folder)
    with pytest.raises(WeightsError) as error:
        load_image_text(f"openclip:local-dir:{folder}")
    assert error.value.file == str(file)
    assert line in error.value.message
    assert len(str(error.value)) < 500 + len(str(file)) * 2
    assert not (folder / "ran").exists()


def test_a_missing_folder(tmp_path):
    with pytest.raises(WeightsError, match="no such folder; it must hold"):
        load_image_text(f"openclip:local-dir:{tmp_path / 'none'}")


def test_pictures_are_told_apart(tiny):
    """The encoder sees its input: a red and a green crop differ, the same crop twice does not."""
    red, green = (Image.new("RGB", (32, 32), colour) for colour in ("red", "lime"))
    pixels = [torch.tensor(list(p.getdata())).reshape(32, 32, 3).permute(2, 0, 1) / 255 for p in (red, green, red)]
    embeddings = tiny.encode_images(torch.stack(pixels))
    assert torch.equal(embeddings[0], embeddings[2])
    assert (embeddings[0] - embeddings[1]).norm() > 1e-3


RESNET = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8, "head_width": 64},
    "text_cfg": {"context_length": 8, "vocab_size": 49408, "width": 16, "heads": 1, "layers": 1},
}


def test_normalisations_folded_into_convolutions_change_nothing():
    torch.manual_seed(0)
    visual = open_clip.CLIP(**RESNET).eval().visual
    norms = [module for module in visual.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:  # as training leaves them: new ones do nothing
        torch.nn.init.normal_(norm.running_mean, std=0.5)
        torch.nn.init.uniform_(norm.running_var, 0.5, 2)
        torch.nn.init.uniform_(norm.weight, 0.5, 2)
        torch.nn.init.normal_(norm.bias, std=0.5)
    pixels = torch.randn(5, 3, 32, 32)
    with torch.no_grad():
        expected = visual(pixels)
        _fold_batch_norms(visual)
        folded = visual(pixels)
    assert len(norms) == 19
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in visual.modules())
    torch.testing.assert_close(folded, expected, rtol=0, atol=2e-6)  # leaving one out changes 3e-3 at least


def test_a_resnet_gives_the_same_in_either_layout(tmp_path):
    """Channels last is faster on a CPU; it must not be another encoder."""
    torch.manual_seed(0)
    preprocess = {"mean": [0.5] * 3, "std": [0.25] * 3, "interpolation": "bicubic", "resize_mode": "shortest"}
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": RESNET, "preprocess_cfg": preprocess}))
    model = open_clip.CLIP(**RESNET).eval()
    save_file(model.state_dict(), tmp_path / "open_clip_model.safetensors", metadata={"format": "pt"})
    encoder = load_image_text(f"openclip:local-dir:{tmp_path}")
    assert next(encoder._visual.parameters()).is_contiguous(memory_format=torch.channels_last)
    pixels = crops(5)
    with torch.no_grad():
        expected = torch.nn.functional.normalize(model.encode_image((pixels - 0.5) / 0.25), dim=-1)
    assert torch.allclose(encoder.encode_images(pixels), expected, atol=3e-2)  # bfloat16 where the CPU is faster in it
