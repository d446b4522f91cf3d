"""A scene's language as sparse codes: for each of N elements (such as Gaussians) and each of L crop levels, up to K
rows of a codebook of unit embeddings, and their shares.

Nothing here is trained. Lifting sums up, for every element and code, the element's contributions to pixels whose crop
has that code (`langfield.models.gaussians.lifting`). The mean embedding of the pixels that show an element (Occam's
LGS, Cheng et al. 2024, §3.2) is then the mix of the codebook's rows by these weights, of which the heaviest few are
kept (sparse codes: LangSplatV2, Li et al. 2025). `langfield.ops.sparse_relevancy` works out relevancy from them without
an embedding for each element.
"""

from collections.abc import Iterable
from typing import Any

import torch
from jaxtyping import Bool, Float, Float16, Int16, Int64
from torch import Tensor, nn
from torch.nn.functional import normalize, pad

MAX_CODES = 2**15 - 1  # rows of a codebook that int16 can count

_CHUNK_NUMBERS = 2**24  # weights worked on at once: 64 MiB
_MEDIAN_CODES = 64  # heaviest codes of an element, over which the median cosine is taken
_COSINE_MARGIN = 0.05  # below the median
_MIN_MIX_NORM = 1e-3  # of a mix whose weights sum to 1: below it float16's rounding of the shares is as large
_BUFFERS = ("codebook", "code", "share", "distance", "crop_angles")


class LanguageMap(nn.Module):
    """Embeddings of N elements at L crop levels, as sparse codes. All attributes are buffers.

    Attributes:
        codebook: (C, D) float16 unit embeddings, C ≤ 32767.
        code: (N, L, K) int16 rows of `codebook`.
        share: (N, L, K) float16, at least 0: Σ_k share · codebook[code] is a unit vector, to float16's rounding. All K
            are 0 where the element has no embedding at that level.
        distance: (N,) float16, the typical distance from which the element was seen, in scene units.
        crop_angles: (L,) float32, crop height over focal length: an element's physical scale at a level is
            crop_angle · distance.

    Raises:
        ValueError: more codes than int16 can count.
    """

    codebook: Tensor
    code: Tensor
    share: Tensor
    distance: Tensor
    crop_angles: Tensor

    def __init__(
        self,
        codebook: Float16[Tensor, "c d"],
        code: Int16[Tensor, "n l k"],
        share: Float16[Tensor, "n l k"],
        distance: Float16[Tensor, " n"],
        crop_angles: Float[Tensor, " l"],
    ) -> None:
        super().__init__()
        if len(codebook) > MAX_CODES:
            raise ValueError(f"a codebook may have {MAX_CODES} rows at most, got {len(codebook)}")
        self.register_buffer("codebook", codebook)
        self.register_buffer("code", code)
        self.register_buffer("share", share)
        self.register_buffer("distance", distance)
        self.register_buffer("crop_angles", crop_angles.float())

    @classmethod
    def empty(cls, elements: int, levels: int, keep: int, codes: int, embed_dim: int) -> "LanguageMap":
        """A map without any embedding, on the CPU; a saved state of any sizes can be loaded into it."""
        return cls(
            torch.zeros(codes, embed_dim, dtype=torch.float16),
            torch.zeros(elements, levels, keep, dtype=torch.int16),
            torch.zeros(elements, levels, keep, dtype=torch.float16),
            torch.zeros(elements, dtype=torch.float16),
            torch.ones(levels),
        )

    @classmethod
    @torch.no_grad()
    def from_weights(
        cls,
        codebook: Float[Tensor, "c d"],
        weights: Iterable[Tensor],
        contribution: Float[Tensor, " n"],
        distance: Float[Tensor, " n"],
        crop_angles: Float[Tensor, " l"],
        *,
        keep: int = 4,
        min_contribution: float = 0.5,
        min_coherence: float = 0.5,
        robust: bool = False,
    ) -> "LanguageMap":
        """The map of lifted weights: for each element and level the `keep` heaviest codes, normalised.

        An element has no embedding at a level where it was hardly seen, or where its weights are not coherent. The
        coherence is ‖Σ_c w_c · code_c‖ / Σ_c w_c, and both that of all its codes and that of the kept ones must be at
        least `min_coherence`. It is 1 for a single code and √(1/m) for m orthogonal ones of equal weights. With an
        encoder whose cosines are never below a, it is never below √a.

        With `robust`, codes that are far from the others of an element are trimmed. Let m be the median, weighted by
        the w_c, of the cosines between the element's 64 heaviest codes and its mean. A weight is kept whole at a cosine
        of at least m − 0.05, falls linearly below, and is 0 from m − 0.1 down; the mix is then of the remaining
        weights. (VALA, Wang et al. 2025, takes a median in cosine space; this is a mean trimmed about one.) At least
        half the total weight is kept whole, and outliers with less than half of it cannot move the median far, as long
        as the mean is nearer to the majority. The coherence of all codes is that of the untrimmed weights.

        Cost: 2 · N · C · D multiplications a level, twice as many if `robust`. Memory: one level's weights, and about
        300 MiB for chunks of them.

        Args:
            codebook: unit embeddings.
            weights: for each level (N, C), float: Σ over pixels of each element's contribution times the share of code
                c in the pixel's embedding. Read once, level after level.
            contribution: (N,) Σ over pixels of each element's contribution, in pixels.
            distance: typical distance from which each element was seen, in scene units.
            crop_angles: crop height over focal length of each level.
            keep: K.
            min_contribution: an element whose contribution is less has no embedding.
            min_coherence: nor has one whose coherence at a level is less, there.
            robust: see above.

        Raises:
            ValueError: more codes than int16 can count, or not as many levels as crop angles.
        """
        if len(codebook) > MAX_CODES:
            raise ValueError(f"a codebook may have {MAX_CODES} rows at most, got {len(codebook)}")
        rounded, device = codebook.half(), contribution.device
        code = torch.zeros(len(contribution), len(crop_angles), keep, dtype=torch.int16, device=device)
        share = torch.zeros_like(code, dtype=torch.float16)
        for level, (_, level_weights) in enumerate(zip(crop_angles, weights, strict=True)):
            first = 0
            for part in level_weights.split(max(_CHUNK_NUMBERS // max(codebook.shape), 1)):
                rows = slice(first, first + len(part))
                codes, shares = _heaviest(part.float(), rounded.float(), keep, min_coherence, robust)
                code[rows, level] = codes
                share[rows, level] = shares.half() * (contribution[rows] >= min_contribution)[:, None]
                first += len(part)
        limit = torch.finfo(torch.float16).max
        return cls(rounded, code, share, distance.clamp(max=limit).half(), crop_angles.to(device))

    # -- reading -----------------------------------------------------------------------------------------------------

    @property
    def seen(self) -> Bool[Tensor, " n"]:
        """Which elements have an embedding, at one level at least."""
        return (self.share != 0).flatten(1).any(dim=1)

    def embedding(self, elements: Int64[Tensor, " m"], level: int) -> Float[Tensor, "m d"]:
        """Unit embeddings of some elements at one level, float32; 0 where there is none."""
        code, share = self.code[elements, level].long(), self.share[elements, level].float()
        mix = torch.zeros(len(elements), self.codebook.shape[1], device=share.device)
        for k in range(code.shape[1]):  # one at a time: K times less memory
            mix += share[:, k : k + 1] * self.codebook[code[:, k]].float()
        return normalize(mix, dim=-1)

    @property
    def memory_bytes(self) -> int:
        """Size of the buffers: N · L · K · 4 bytes for codes and shares, N · 2, C · D · 2 and L · 4."""
        return sum(buffer.numel() * buffer.element_size() for buffer in self.buffers())

    def clear(self) -> None:
        """Drop all elements and codes, and free their memory; crop angles stay. Costs nothing where there are none."""
        if not len(self.code) and not len(self.codebook):
            return
        for name in ("codebook", "code", "share", "distance"):
            buffer = getattr(self, name)
            setattr(self, name, buffer.new_zeros(0, *buffer.shape[1:]))

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args: Any, **kwargs: Any) -> None:
        saved = {name: state_dict[prefix + name] for name in _BUFFERS if prefix + name in state_dict}
        problem = _problem(saved) if len(saved) == len(_BUFFERS) else None
        for name, tensor in saved.items():  # sizes are the scene's, but for the encoder's D
            own = getattr(self, name)
            if (
                problem is None
                and tensor.ndim == own.ndim
                and (name != "codebook" or tensor.shape[1:] == own.shape[1:])
            ):
                setattr(self, name, own.new_empty(tensor.shape))
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
        if problem:
            error_messages: list[str] = args[-1]  # load_state_dict raises RuntimeError with these
            error_messages.append(f"{prefix}: {problem}")


def _problem(saved: dict[str, Tensor]) -> str | None:
    """Why buffers do not fit together, or None. Kernels do not check codes: one outside the codebook would read memory
    that is not the codebook's."""
    codebook, code, share, distance, angles = (saved[name] for name in _BUFFERS)
    if (
        code.ndim != 3
        or code.shape != share.shape
        or code.shape[:1] != distance.shape
        or code.shape[1:2] != angles.shape
    ):
        shapes = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in saved.items())
        return f"a language map's sizes do not fit together: {shapes}"
    if len(codebook) > MAX_CODES or (code.numel() and not 0 <= int(code.min()) <= int(code.max()) < len(codebook)):
        return f"a language map's codes are not all rows of its codebook of {len(codebook)}"
    return None


def _heaviest(
    weights: Float[Tensor, "m c"], codebook: Float[Tensor, "c d"], keep: int, min_coherence: float, robust: bool
) -> tuple[Int64[Tensor, "m k"], Float[Tensor, "m k"]]:
    """Codes and shares of some elements at one level; shares are 0 where there is no weight, or no coherence."""
    mean = weights @ codebook
    coherent = mean.norm(dim=1) >= min_coherence * weights.sum(dim=1)
    if robust:
        weights = weights * _trimming(weights, normalize(mean, dim=-1) @ codebook.T)
    top = weights.topk(min(keep, len(codebook)), dim=1)
    mix = torch.zeros_like(mean)
    for k in range(top.indices.shape[1]):
        mix += top.values[:, k : k + 1] * codebook[top.indices[:, k]]
    length, total = mix.norm(dim=1), top.values.sum(dim=1)
    coherent &= (total > 0) & (length >= max(min_coherence, _MIN_MIX_NORM) * total)
    shares = torch.where(coherent[:, None], top.values / length.clamp_min(1e-30)[:, None], 0)
    missing = keep - shares.shape[1]
    return pad(top.indices, (0, missing)), pad(shares, (0, missing))


def _trimming(weights: Float[Tensor, "m c"], cosine: Float[Tensor, "m c"]) -> Float[Tensor, "m c"]:
    """The share of each weight that `robust` keeps, given the codes' cosines with the mean; see `from_weights`."""
    heavy = weights.topk(min(_MEDIAN_CODES, weights.shape[1]), dim=1)
    falling = cosine.gather(1, heavy.indices).sort(dim=1, descending=True)
    cumulative = heavy.values.gather(1, falling.indices).cumsum(dim=1)
    middle = (cumulative < cumulative[:, -1:] / 2).sum(dim=1, keepdim=True)  # the first that reaches half the weight
    median = falling.values.gather(1, middle)
    return ((cosine - median) / _COSINE_MARGIN + 2).clamp(0, 1)
