"""Tiny SAM and SAM 2 models with random weights, in folders of transformers' own layout."""

import json
from pathlib import Path
from typing import Any

import torch

SIDE_PX = 64
_DECODER = {"hidden_size": 16, "mlp_dim": 32, "num_attention_heads": 2, "iou_head_hidden_dim": 16}
SAM = {
    "vision_config": {
        "hidden_size": 32,
        "output_channels": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": SIDE_PX,
        "patch_size": 8,
        "window_size": 4,
        "global_attn_indexes": [1],
        "num_pos_feats": 8,
        "mlp_dim": 64,
    },
    "prompt_encoder_config": {"hidden_size": 16, "image_size": SIDE_PX, "patch_size": 8, "mask_input_channels": 8},
    "mask_decoder_config": _DECODER,
}
SAM2 = {
    "vision_config": {
        "backbone_config": {
            "model_type": "sam2_hiera_det_model",
            "hidden_size": 8,
            "image_size": [SIDE_PX, SIDE_PX],
            "blocks_per_stage": [1, 1, 2, 1],
            "embed_dim_per_stage": [8, 16, 32, 64],
            "num_attention_heads_per_stage": [1, 2, 4, 8],
            "window_size_per_stage": [4, 2, 4, 2],
            "global_attention_blocks": [3],
        },
        "backbone_channel_list": [64, 32, 16, 8],
        "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
        "fpn_hidden_size": 16,
    },
    "prompt_encoder_config": {"hidden_size": 16, "image_size": SIDE_PX, "patch_size": 16, "mask_input_channels": 8},
    "mask_decoder_config": _DECODER,
}


def write_tiny(family: str, folder: Path, seed: int = 0) -> Path:
    """Save a tiny model and its processor as transformers does; weights that make features and masks of both signs."""
    from transformers import (
        Sam2Config,
        Sam2ImageProcessor,
        Sam2Model,
        Sam2Processor,
        SamConfig,
        SamImageProcessor,
        SamModel,
        SamProcessor,
    )

    torch.manual_seed(seed)
    model: Any
    if family == "sam2":
        model = Sam2Model(Sam2Config(**SAM2))
        images = Sam2ImageProcessor(size={"height": SIDE_PX, "width": SIDE_PX})
        processor: Any = Sam2Processor(images)
    else:
        model = SamModel(SamConfig(**SAM))
        square = {"height": SIDE_PX, "width": SIDE_PX}
        processor = SamProcessor(SamImageProcessor(size={"longest_edge": SIDE_PX}, pad_size=square))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        model.shared_image_embedding.positional_embedding.normal_()
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def add_card(folder: Path, **everything: float) -> None:
    """langfield's own card, as `builtin:masks` has one."""
    card = {"licence": "Apache-2.0", "everything": everything}
    (folder / "langfield_card.json").write_text(json.dumps(card))
