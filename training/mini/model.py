"""The model: a CLIP of OpenCLIP's own parts, its loss, and its folder."""

import copy
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
from open_clip.tokenizer import SimpleTokenizer
from safetensors.torch import save_file
from torch import Tensor, nn

CONTEXT_LENGTH = 16
VOCABULARY_SIZE = 49408
MAX_BYTES = 20_000_000
PREPROCESSING = {
    "mean": list(OPENAI_DATASET_MEAN),
    "std": list(OPENAI_DATASET_STD),
    "interpolation": "bicubic",
    "resize_mode": "shortest",
}
_MASKED = -1e4


def model_config(
    *,
    image_size: int,
    patch_size: int,
    width: int,
    layers: int | Sequence[int],
    embed_dim: int,
    text_width: int,
    text_layers: int,
) -> dict[str, Any]:
    """OpenCLIP's `model_cfg`. Heads are 64 wide in pictures and 16 in texts.

    `layers` of several numbers make a ResNet with so many blocks of each size, whose features are 32 `width`s wide;
    `patch_size` then means nothing.
    """
    return {
        "embed_dim": embed_dim,
        "vision_cfg": {
            "image_size": image_size,
            "layers": layers if isinstance(layers, int) else list(layers),
            "width": width,
            "head_width": 64,
            "patch_size": patch_size,
            "mlp_ratio": 4.0,
        },
        "text_cfg": {
            "context_length": CONTEXT_LENGTH,
            "vocab_size": VOCABULARY_SIZE,
            "width": text_width,
            "heads": text_width // 16,
            "layers": text_layers,
        },
    }


def build_model(config: dict[str, Any]) -> Any:
    """The model with random weights."""
    return open_clip.CLIP(**copy.deepcopy(config))


def bytes_as_float16(model: nn.Module) -> int:
    return 2 * sum(tensor.numel() for tensor in model.state_dict().values())


def tokens_of(texts: Sequence[str]) -> Tensor:
    """(n, 16) as `open_clip.get_tokenizer` for the saved folder gives them."""
    return SimpleTokenizer(context_length=CONTEXT_LENGTH)(list(texts))


def unseen_tokens(tokens: Tensor) -> np.ndarray:
    """Numbers of tokens that no text has up to its end; attention is causal, so what follows the end has no effect."""
    end = tokens.argmax(dim=1, keepdim=True)
    seen = tokens[torch.arange(tokens.shape[1]) <= end]
    return np.setdiff1d(np.arange(VOCABULARY_SIZE), seen.numpy())


def unknown_texts(unseen: np.ndarray) -> Tensor:
    """(9, 16) tokens of phrases of one to three unknown words, alone and in templates.

    All unseen tokens have the embedding zero, so one stands for all of them.
    """
    tokens = tokens_of(
        [text for start in ("", "a ", "a photo of a ") for text in (start + " ".join("x" * n) for n in (1, 2, 3))]
    )
    letter = tokens_of(["x"])[0, 1]
    return torch.where(tokens == letter, int(unseen[unseen > 0][0]), tokens)


@torch.no_grad()
def forget_tokens(model: Any, unseen: np.ndarray) -> None:
    """Make tokens that are never trained mean nothing: zero (which also packs well), and kept there.

    Without weight decay on it, a row of the table that gets no gradient stays as it is.
    """
    embedding = model.token_embedding
    embedding.weight[torch.from_numpy(unseen).to(embedding.weight.device)] = 0
    embedding.padding_idx = int(unseen[unseen > 0][0])


def normalised(pixels: Tensor) -> Tensor:
    """Pixels in [0, 1] as the image tower wants them."""
    both = enumerate(zip(OPENAI_DATASET_MEAN, OPENAI_DATASET_STD, strict=True))
    return torch.stack([(pixels[:, channel] - mean) / std for channel, (mean, std) in both], dim=1)


def contrastive_loss(
    image: Tensor, text: Tensor, scale: Tensor, neutral: Tensor, generic: Tensor, valid: Tensor, generic_bias: float
) -> tuple[Tensor, Tensor]:
    """The masked symmetric InfoNCE of B crops and their captions; also the share of crops that rank theirs first.

    Generic captions get logits lower by `generic_bias` in training only: to be found among other captions as often as
    they are said, their similarity must grow by as much. In use, without the bias, a phrase that fits only weakly then
    stays below "object" or "stuff", and "the phrase beats all four generic words" tells that something is present.

    Args:
        image, text: unit vectors (B, d) and (B + u, d); the last u texts are of no crop, and wrong for all.
        scale: what similarities are multiplied with.
        neutral: (B, B + u) captions that are neither right nor wrong for a crop.
        generic: (B + u,) which captions are generic.
        valid: (B,) crops that count.
    """
    count = len(image)
    logits = scale * image @ text.T - generic_bias * generic
    logits = logits.masked_fill(neutral, _MASKED)
    own = torch.arange(count, device=image.device)
    weight = valid / valid.sum().clamp(min=1)
    by_image = nn.functional.cross_entropy(logits, own, reduction="none")
    by_text = nn.functional.cross_entropy(logits[:, :count].T, own, reduction="none")
    first = (logits.detach().argmax(dim=1) == own).float()
    return ((by_image + by_text) / 2 * weight).sum(), (first * weight).sum()


def naming_loss(
    image: Tensor, prompts: Tensor, scale: Tensor, target: Tensor, neutral: Tensor, valid: Tensor
) -> Tensor:
    """Cross entropy of B crops over all prompts of a kind (all nouns, or all colours), without the neutral ones.

    Args:
        image, prompts: unit vectors (B, d) and (n, d).
        target: (B,) which prompt is true; −1: the crop does not count.
        neutral: (B, n) prompts that are neither right nor wrong.
        valid: (B,) crops that count.
    """
    counts = valid & (target >= 0)
    own = target.clamp(min=0)
    wrong = neutral.scatter(1, own[:, None], False)
    logits = (scale * image @ prompts.T).masked_fill(wrong, _MASKED)
    losses = nn.functional.cross_entropy(logits, own, reduction="none")
    return (losses * counts).sum() / counts.sum().clamp(min=1)


def neutral_pairs(shown: Tensor, possible_of_caption: Tensor, generic: Tensor, valid: Tensor, extra: int) -> Tensor:
    """(B, B + extra) captions of the batch that must not be a crop's negatives: what may be true of anything it shows.

    Generic captions are true of everything and yet remain negatives, except of crops whose own caption is generic.

    Args:
        shown: (B, R + 1) identities and twins that a crop shows.
        possible_of_caption: (B, R + 1) those that each caption may be true of.
        generic: (B,) which captions are generic.
        valid: (B,) crops that count; others are nobody's negatives.
    """
    may_be_true = (shown @ possible_of_caption.to(shown.dtype).T) > 0.5
    neutral = torch.where(generic[None], generic[:, None], may_be_true) | ~valid[None] | ~valid[:, None]
    neutral = neutral & ~torch.eye(len(shown), dtype=torch.bool, device=shown.device)
    return nn.functional.pad(neutral, (0, extra), value=False)


@torch.no_grad()
def recalibrate(model: nn.Module, batches: Iterable[Tensor]) -> None:
    """Count the statistics of batch norms anew, as the plain mean over batches (B, 3, s, s) of normalised crops.

    Averaged weights need statistics of their own (Izmailov et al. 2018, SWA, section 3.2); those that a training
    leaves are of other weights, and one crop that is not a number would have spoilt them for good.
    """
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    kept = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over all batches since then
        norm.train()
    for batch in batches:
        model.encode_image(batch)  # pyright: ignore[reportCallIssue]
    for norm, momentum in zip(norms, kept, strict=True):
        norm.momentum = momentum
        norm.eval()


def save_folder(model: nn.Module, config: dict[str, Any], folder: Path) -> Path:
    """Write the model as OpenCLIP's local-dir, in float16.

    Raises:
        ValueError: the weights are larger than the package can carry, or not all of them are numbers.
    """
    broken = [name for name, tensor in model.state_dict().items() if not torch.isfinite(tensor).all()]
    if broken:
        raise ValueError(f"not all weights are finite: {', '.join(broken[:3])}, {len(broken)} tensors in all")
    size = bytes_as_float16(model)
    if size > MAX_BYTES:
        raise ValueError(f"{size / 1e6:.1f} MB of weights, at most {MAX_BYTES / 1e6:.0f}")
    folder.mkdir(parents=True, exist_ok=True)
    written = {"model_cfg": config, "preprocess_cfg": PREPROCESSING}
    (folder / "open_clip_config.json").write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
    weights = {name: _as_written(tensor) for name, tensor in model.state_dict().items()}
    path = folder / "open_clip_model.safetensors"
    save_file(weights, path, metadata={"format": "pt"})
    path.chmod(0o644)  # safetensors writes files that only their owner reads; these are packaged
    return path


def _as_written(tensor: Tensor) -> Tensor:
    """In float16; counters stay what they are."""
    return (tensor.detach().half() if tensor.is_floating_point() else tensor.detach()).cpu().contiguous()


def load_folder(folder: Path) -> Any:
    """The model of a written folder, through OpenCLIP, in float32 and evaluation mode."""
    model, _, _ = open_clip.create_model_and_transforms(f"local-dir:{folder.resolve()}")
    if not isinstance(model, open_clip.CLIP):
        raise TypeError(f"OpenCLIP made a {type(model).__name__} of {folder}")
    return model.eval()
