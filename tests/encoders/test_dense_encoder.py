import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from langfield.core.errors import UsageError, WeightsError
from langfield.encoders.base import DenseEncoder
from langfield.encoders.dense import TimmDenseEncoder, load_timm
from langfield.encoders.registry import load_dense

CPU = torch.device("cpu")


class PatchMeans(nn.Module):
    """A "vision transformer" whose tokens are the means of its patches, after two others."""

    num_prefix_tokens = 2
    blocks = (nn.Identity(),)

    def __init__(self, patch_px):
        super().__init__()
        self.patch_px = patch_px

    def forward_features(self, picture):
        means = nn.functional.avg_pool2d(picture, self.patch_px)[0].flatten(1).T
        return torch.cat([torch.full((2, 3), 9.0, dtype=means.dtype), means])[None]


@pytest.fixture(scope="module")
def tiny():
    return load_dense("timm:test_vit/random")


def picture(height, width):
    return torch.randint(0, 256, (height, width, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))


def plain(patch_px, short_side):
    """An encoder whose features are the colours of the cells."""
    card = load_timm("timm:test_vit/random", CPU).card
    values = {**card.to_json(), "mean": [0.0] * 3, "std": [1.0] * 3, "input_size_px": short_side, "embed_dim": 3}
    return TimmDenseEncoder(PatchMeans(patch_px), type(card).from_json(values), patch_px, CPU)


def test_a_patch_of_14_takes_a_photo_of_100_by_75():
    """DINOv2's patch divides neither side: the photo is resized inside, and cells cover it evenly."""
    encoder = plain(patch_px=14, short_side=500)
    assert encoder.grid(75, 100) == (35, 47)
    photo = torch.zeros(75, 100, 3, dtype=torch.uint8)
    photo[:, 50:, 0] = 255  # red on the right half
    photo[25:, :, 1] = 255  # green below the upper third
    cells = encoder.encode(photo)
    assert cells.shape == (35, 47, 3)
    red = cells[..., 0].mean(0)
    assert red[:22].max() < 0.05
    assert red[25:].min() > 0.95
    green = cells[..., 1].mean(1)
    assert green[:11].max() < 0.05
    assert green[13:].min() > 0.95


@settings(deadline=None, max_examples=50)
@given(height=st.integers(1, 4000), width=st.integers(1, 4000), patch=st.sampled_from([8, 14, 16]))
def test_the_shorter_side_is_about_500_px_and_cells_are_about_square(height, width, patch):
    rows, columns = plain(patch, 500).grid(height, width)
    assert min(rows, columns) == 500 // patch
    ratio = (rows / height) / (columns / width)
    assert 1 - 1.5 / min(rows, columns) < ratio < 1 + 1.5 / min(rows, columns)


def test_features_are_the_keys_of_the_last_block(tiny):
    """Against the definition: the second third of the last block's qkv projection of its normalised input."""
    model = timm.create_model("test_vit", num_classes=0, dynamic_img_size=True)
    model.load_state_dict({name: value.float() for name, value in tiny._model.state_dict().items()})
    model.eval()
    photo = picture(500, 520)  # 31 × 32 patches of 16 px: 496 × 512
    x = photo.permute(2, 0, 1)[None] / 255
    x = nn.functional.interpolate(x, (496, 512), mode="bicubic", antialias=True).clamp(0, 1)
    seen = []
    model.blocks[-1].register_forward_pre_hook(lambda block, args: seen.append(args[0]))
    with torch.no_grad():
        model((x - 0.5) / 0.5)
        block = model.blocks[-1]
        keys = block.attn.qkv(block.norm1(seen[0]))[0, 1:, 64:128]
    ours = tiny.encode(photo)
    assert (ours.shape, ours.dtype) == ((31, 32, 64), torch.float32)
    assert nn.functional.cosine_similarity(ours.flatten(0, 1), keys, dim=-1).min() > 0.995


def test_the_card(tiny):
    card = tiny.card
    assert isinstance(tiny, DenseEncoder)
    assert (card.spec, card.weights_sha256) == ("timm:test_vit/random", "random")
    assert (card.embed_dim, card.input_size_px, tiny.patch_px) == (64, 500, 16)
    assert (card.mean, card.std, card.licence) == ((0.5,) * 3, (0.5,) * 3, "apache-2.0")


def test_a_weights_file_is_loaded_and_named_by_its_digest(tmp_path):
    torch.manual_seed(5)
    model = timm.create_model("test_vit", num_classes=0)
    save_file(model.state_dict(), tmp_path / "w.safetensors")
    encoder = load_dense(f"timm:test_vit@{tmp_path / 'w.safetensors'}")
    theirs, ours = model.state_dict(), encoder._model.state_dict()
    assert all(torch.equal(ours[name].float(), theirs[name].to(ours[name].dtype).float()) for name in theirs)
    assert len(encoder.card.weights_sha256) == 64
    (tmp_path / "w.safetensors").write_bytes((tmp_path / "w.safetensors").read_bytes()[:-9])
    with pytest.raises(WeightsError, match="not a whole safetensors file"):
        load_dense(f"timm:test_vit@{tmp_path / 'w.safetensors'}")
    save_file({"x": torch.zeros(1)}, tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match=r"does not hold the weights of timm:test_vit@.* \(it lacks "):
        load_dense(f"timm:test_vit@{tmp_path / 'w.safetensors'}")


def test_what_cannot_be_loaded_says_why(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    (tmp_path / "w.pth").write_bytes(b"")
    cases = {
        "timm:vit_smal_patch8": (UsageError, "timm has no model 'vit_smal_patch8'; near it are vit_small_patch"),
        "timm:resnet18/random": (UsageError, "takes no pictures of other sizes; choose a vision transformer"),
        "openclip:x/y": (UsageError, "'openclip:x/y' names no dense encoder: a spec is one of timm:NAME, "),
        f"timm:test_vit@{tmp_path}/w.pth": (WeightsError, "only .safetensors files are read"),
        f"timm:test_vit@{tmp_path}/no.safetensors": (WeightsError, "no such file"),
        "timm:vit_small_patch8_224.dino": (
            WeightsError,
            "timm:vit_small_patch8_224.dino: model.safetensors of the Hugging Face repository "
            "timm/vit_small_patch8_224.dino is not on this machine and could not be downloaded (no network); connect "
            "to the network once, or fetch that file elsewhere and use "
            "timm:vit_small_patch8_224.dino@FILE.safetensors",
        ),
    }
    for spec, (kind, line) in cases.items():
        with pytest.raises(kind) as error:
            load_dense(spec)
        assert line in str(error.value), spec
