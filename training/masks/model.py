"""The model: a small SAM as transformers has it, its first weights, and its folder."""

import json
import math
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import SamConfig, SamImageProcessor, SamModel

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of SamImageProcessor
MAX_BYTES = 20_000_000
WEIGHTS = "model.safetensors"
_SHARPER = 1.7
_POSITIONS = "shared_image_embedding.positional_embedding"
_TIED = "prompt_encoder.shared_embedding.positional_embedding"


def model_config(
    image_size: int = 384,
    patch_size: int = 8,
    width: int = 256,
    layers: int = 8,
    heads: int = 8,
    window: int = 12,
    global_layers: tuple[int, ...] = (2, 5, 7),
    decoder_width: int = 128,
) -> SamConfig:
    """A SAM of the given sizes; the defaults have 7.9 M parameters."""
    vision = {
        "hidden_size": width,
        "output_channels": decoder_width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "image_size": image_size,
        "patch_size": patch_size,
        "mlp_ratio": 4.0,
        "window_size": window,
        "global_attn_indexes": list(global_layers),
        "num_pos_feats": decoder_width // 2,
        "initializer_range": 0.02,
    }
    prompt = {"hidden_size": decoder_width, "image_size": image_size, "patch_size": patch_size}
    decoder = {
        "hidden_size": decoder_width,
        "mlp_dim": 4 * decoder_width,
        "num_attention_heads": 4,
        "iou_head_hidden_dim": decoder_width,
    }
    return SamConfig(vision_config=vision, prompt_encoder_config=prompt, mask_decoder_config=decoder)


def build_model(config: SamConfig, seed: int = 0) -> SamModel:
    """A model with first weights. Where points are is told by fixed random waves, as in SAM; the relative positions of
    global layers are zero and stay so: attention without them is several times as quick, and the picture's own
    position embedding, which starts as waves of many lengths, tells these layers where a cell is."""
    torch.manual_seed(seed)
    config._attn_implementation = "sdpa"
    model = SamModel(config)
    vision: Any = config.vision_config
    encoder: Any = model.vision_encoder
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "rel_pos" in name:
                continue
            if name.startswith("mask_decoder.upscale_conv") and parameter.ndim == 4:
                nn.init.trunc_normal_(parameter, std=parameter.shape[0] ** -0.5)
            elif parameter.ndim == 2 and any(word in name for word in ("proj", "lin", "qkv", "layers.")):
                nn.init.trunc_normal_(parameter, std=parameter.shape[1] ** -0.5)
            elif any(word in name for word in ("_token", "point_embed", "not_a_point")):
                nn.init.normal_(parameter, std=0.5)
        for layer in encoder.layers:
            for last in (layer.attn.proj, layer.mlp.lin2):
                last.weight.mul_((2 * len(encoder.layers)) ** -0.5)
            if layer.window_size:
                for positions in (layer.attn.rel_pos_h, layer.attn.rel_pos_w):
                    positions.normal_(std=0.02)
        _look_at_points(model.mask_decoder.transformer)
        projection = encoder.patch_embed.projection
        nn.init.trunc_normal_(projection.weight, std=projection.weight[0].numel() ** -0.5)
        encoder.pos_embed.copy_(waves(vision.image_size // vision.patch_size, vision.hidden_size))
        waves_of_points = model.shared_image_embedding.positional_embedding
        waves_of_points.copy_(torch.randn_like(waves_of_points).half().float())  # as the file will hold it
        shared: Any = model.prompt_encoder.shared_embedding
        shared.positional_embedding = waves_of_points
    return freeze_fixed(model)


def _look_at_points(transformer: Any) -> None:
    """Let tokens and cells attend to each other first where they are at one place: queries and keys are projected
    alike. Otherwise a click finds its cell only after thousands of steps."""
    layers = [*transformer.layers]
    reading = [layer.cross_attn_token_to_image for layer in layers] + [transformer.final_attn_token_to_image]
    for attention in (*reading, *(layer.cross_attn_image_to_token for layer in layers)):
        attention.k_proj.weight.copy_(attention.q_proj.weight)
    for attention in reading:  # over thousands of cells: sharper
        for projection in (attention.q_proj, attention.k_proj):
            projection.weight.mul_(_SHARPER)


def freeze_fixed(model: SamModel) -> SamModel:
    """Mark what is never trained: see `build_model`; and the embedding of masks as prompts, which none trains."""
    model.shared_image_embedding.positional_embedding.requires_grad_(False)
    model.prompt_encoder.mask_embed.requires_grad_(False)
    encoder: Any = model.vision_encoder
    for layer in encoder.layers:
        if not layer.window_size:
            layer.attn.rel_pos_h.requires_grad_(False)
            layer.attn.rel_pos_w.requires_grad_(False)
    return model


def waves(side: int, channels: int) -> Tensor:
    """(1, side, side, channels) sines and cosines of row and column, of wavelengths from 4 to 4·side cells."""
    count = channels // 4
    lengths = 4 * side ** torch.linspace(0, 1, count)
    angles = 2 * math.pi * torch.arange(side)[:, None] / lengths
    one = torch.cat([angles.sin(), angles.cos()], 1) * 0.25
    rows, columns = one[:, None].expand(-1, side, -1), one[None].expand(side, -1, -1)
    return nn.functional.pad(torch.cat([rows, columns], -1), (0, channels - 4 * count))[None]


def parameter_count(model: SamModel) -> int:
    """Parameters, those that are shared counted once."""
    return sum(parameter.numel() for parameter in model.parameters())


def save_folder(model: SamModel, folder: Path) -> Path:
    """Write config.json, preprocessor_config.json and model.safetensors in float16; gives the weights' path.

    Raises:
        ValueError: a weight is not a number, or the file would be larger than 20 MB.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = {key: value.detach().half().cpu().contiguous() for key, value in model.state_dict().items() if key != _TIED}
    wrong = [key for key, value in state.items() if not value.isfinite().all()]
    if wrong:
        raise ValueError(f"weights that are no numbers in float16: {', '.join(wrong[:5])}; nothing is written")
    size = sum(2 * value.numel() for value in state.values())
    if size > MAX_BYTES:
        raise ValueError(f"{size / 1e6:.1f} MB of weights, at most {MAX_BYTES / 1e6:.0f} MB: take fewer layers")
    config = {**model.config.to_dict(), "architectures": ["SamModel"], "dtype": "float32"}
    for part in ("vision_config", "prompt_encoder_config", "mask_decoder_config"):
        config[part].pop("dtype", None)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    processor_of(model).save_pretrained(folder)
    written = folder / (WEIGHTS + ".part")
    save_file(state, written, metadata={"format": "pt"})
    written.replace(folder / WEIGHTS)
    return folder / WEIGHTS


def load_folder(folder: Path) -> SamModel:
    """What `save_folder` wrote, in float32 and with what is never trained marked."""
    config = SamConfig.from_dict(json.loads((folder / "config.json").read_text(encoding="utf-8")))
    model = build_model(config)
    state = load_file(folder / WEIGHTS)
    model.load_state_dict({key: value.float() for key, value in {**state, _TIED: state[_POSITIONS]}.items()})
    return model


def processor_of(model: SamModel) -> SamImageProcessor:
    """Pictures as the model wants them: the longer side resized to its input, the rest padded."""
    side = model.config.vision_config.image_size  # pyright: ignore[reportAttributeAccessIssue, reportOptionalMemberAccess]
    cells = side // model.config.vision_config.patch_size  # pyright: ignore[reportAttributeAccessIssue, reportOptionalMemberAccess]
    return SamImageProcessor(
        size={"longest_edge": side},
        pad_size={"height": side, "width": side},
        mask_size={"longest_edge": 4 * cells},
        mask_pad_size={"height": 4 * cells, "width": 4 * cells},
        image_mean=list(MEAN),
        image_std=list(STD),
    )
