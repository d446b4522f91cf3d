"""A scene's language as sparse codes: for each of N elements in space (Gaussians, say) and each of L crop sizes, up to
K rows of a codebook of unit embeddings, and their shares.

Nothing here is trained. Lifting adds up, for every element and code, how much light of pixels whose crop was coded so
the element stopped; the mean embedding of what an element was seen as (Occam's LGS, Cheng et al. 2024, §3.2) is then
a mix of codes by these weights, and its heaviest few are kept (sparse codes: LangSplatV2, Li et al. 2025).
`ops.sparse_relevancy` answers phrases from it without ever making an embedding per element.
"""

from collections.abc import Iterable
from typing import Any

import torch
from jaxtyping import Bool, Float, Float16, Int16, Int64
from torch import Tensor, nn
from torch.nn.functional import normalize, pad

MOST_CODES = 2**15 - 1  # rows of a codebook that int16 can count

_CHUNK_NUMBERS = 2**24  # weights worked on at once: 64 MiB
_HEAVIEST = 64  # codes of an element that its median is taken over
_MARGIN = 0.05  # of cosine, below the median
_LEAST_LENGTH = 1e-3  # of a mix over its weights' sum: what float16 shares still tell from 0
_SCENE_SIZED = ("codebook", "code", "share", "distance", "crop_angles")


class LanguageMap(nn.Module):
    """Elements and levels → embeddings.

    Buffers:
        codebook: (C, D) float16 unit embeddings, C ≤ 32767.
        code: (N, L, K) int16 rows of `codebook`.
        share: (N, L, K) float16, not negative: Σ_k share · codebook[code] is a unit vector, to float16's rounding. All
            K are 0 where the element is not answered for at that level.
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
        if len(codebook) > MOST_CODES:
            raise ValueError(f"a codebook may have {MOST_CODES} rows at most, got {len(codebook)}")
        self.register_buffer("codebook", codebook)
        self.register_buffer("code", code)
        self.register_buffer("share", share)
        self.register_buffer("distance", distance)
        self.register_buffer("crop_angles", crop_angles.float())

    @classmethod
    def empty(cls, elements: int, levels: int, keep: int, codes: int, embed_dim: int) -> "LanguageMap":
        """A map that answers for nothing, on the CPU: what a saved state, of these or other sizes, is loaded into."""
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
        light: Float[Tensor, " n"],
        distance: Float[Tensor, " n"],
        crop_angles: Float[Tensor, " l"],
        *,
        keep: int = 4,
        min_contribution: float = 0.5,
        least_coherence: float = 0.5,
        robust: bool = False,
    ) -> "LanguageMap":
        """The map that lifted weights make: per element and level the `keep` heaviest codes, normalised.

        An element says nothing at a level where it was not seen, or where what it was seen as contradicts itself: the
        coherence ‖Σ w·code‖ / Σ w, of all its codes or of the kept ones, is 1 for one embedding, and √(1/m) for m
        unrelated (orthogonal) ones in equal parts. With an encoder whose cosines never fall below a, it never falls
        below √a.

        With `robust`, codes that are far from what most of the light says count less. An element's cosines between its
        codes and its mean have a median m, by weight, over its 64 heaviest codes. A weight is kept whole at a cosine
        of m − 0.05 and above, falls linearly, and is 0 from m − 0.1 down; the mix is then of the weights kept. (VALA,
        Wang et al. 2025, takes a median in cosine space; this is a mean trimmed about one.) As long as the mean leans
        towards the majority, stray codes with less than half the light cannot move the median far, however heavy one
        of them is, and at least half the light keeps its whole weight. The coherence is still that of all codes.

        Cost: 2 · N · C · D multiplications a level, twice as many if `robust`. Memory: one level's weights, and about
        300 MiB for chunks of them.

        Args:
            codebook: unit embeddings.
            weights: for each level (N, C), float: the light of pixels whose crop was coded c that each element
                stopped. Taken one after the other, so a generator need hold one at a time.
            light: all the light that each element stopped, in pixels.
            distance: typical distance from which each element was seen, in scene units.
            crop_angles: crop height over focal length of each level.
            keep: K.
            min_contribution: elements that stopped less were not seen.
            least_coherence: below it, an element contradicts itself.

        Raises:
            ValueError: more codes than int16 can count, or not as many levels as crop angles.
        """
        if len(codebook) > MOST_CODES:
            raise ValueError(f"a codebook may have {MOST_CODES} rows at most, got {len(codebook)}")
        rounded = codebook.half()
        code = torch.zeros(len(light), len(crop_angles), keep, dtype=torch.int16, device=light.device)
        share = torch.zeros_like(code, dtype=torch.float16)
        for level, (_, level_weights) in enumerate(zip(crop_angles, weights, strict=True)):
            first = 0
            for part in level_weights.split(max(_CHUNK_NUMBERS // max(codebook.shape), 1)):
                rows = slice(first, first + len(part))
                codes, shares = _heaviest(part.float(), rounded.float(), keep, least_coherence, robust)
                code[rows, level] = codes
                share[rows, level] = shares.half() * (light[rows] >= min_contribution)[:, None]
                first += len(part)
        limit = torch.finfo(torch.float16).max
        return cls(rounded, code, share, distance.clamp(max=limit).half(), crop_angles.to(light.device))

    # -- asking ------------------------------------------------------------------------------------------------------

    @property
    def seen(self) -> Bool[Tensor, " n"]:
        """Which elements are answered for, at one level at least."""
        return (self.share != 0).flatten(1).any(dim=1)

    def embedding(self, elements: Int64[Tensor, " m"], level: int) -> Float[Tensor, "m d"]:
        """Unit embeddings, float32; 0 where an element is not answered for."""
        code, share = self.code[elements, level].long(), self.share[elements, level].float()
        mix = torch.zeros(len(elements), self.codebook.shape[1], device=share.device)
        for k in range(code.shape[1]):  # one at a time: K times less memory
            mix += share[:, k : k + 1] * self.codebook[code[:, k]].float()
        return normalize(mix, dim=-1)

    @property
    def memory_bytes(self) -> int:
        """What the buffers take: N · L · K · 4 for codes and shares, N · 2, C · D · 2 and L · 4."""
        return sum(buffer.numel() * buffer.element_size() for buffer in self.buffers())

    def clear(self) -> None:
        """Forget all elements and codes, and free their memory; levels stay. Costs nothing where there are none."""
        if not len(self.code) and not len(self.codebook):
            return
        for name in ("codebook", "code", "share", "distance"):
            buffer = getattr(self, name)
            setattr(self, name, buffer.new_zeros(0, *buffer.shape[1:]))

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args: Any, **kwargs: Any) -> None:
        saved = {name: state_dict[prefix + name] for name in _SCENE_SIZED if prefix + name in state_dict}
        problem = _problem(saved) if len(saved) == len(_SCENE_SIZED) else None
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
    """Why buffers do not belong together, or None: a code outside the codebook would read anything."""
    codebook, code, share, distance, angles = (saved[name] for name in _SCENE_SIZED)
    if (
        code.ndim != 3
        or code.shape != share.shape
        or code.shape[:1] != distance.shape
        or code.shape[1:2] != angles.shape
    ):
        shapes = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in saved.items())
        return f"a language map's sizes do not fit together: {shapes}"
    if len(codebook) > MOST_CODES or (code.numel() and not 0 <= int(code.min()) <= int(code.max()) < len(codebook)):
        return f"a language map's codes are not all rows of its codebook of {len(codebook)}"
    return None


def _heaviest(
    weights: Float[Tensor, "m c"], codebook: Float[Tensor, "c d"], keep: int, least_coherence: float, robust: bool
) -> tuple[Int64[Tensor, "m k"], Float[Tensor, "m k"]]:
    """Codes and shares of some elements at one level: shares 0 where there is no light, or no coherence."""
    mean = weights @ codebook
    enough = mean.norm(dim=1) >= least_coherence * weights.sum(dim=1)
    if robust:
        weights = weights * _agreement(weights, normalize(mean, dim=-1) @ codebook.T)
    top = weights.topk(min(keep, len(codebook)), dim=1)
    mix = torch.zeros_like(mean)
    for k in range(top.indices.shape[1]):
        mix += top.values[:, k : k + 1] * codebook[top.indices[:, k]]
    length, total = mix.norm(dim=1), top.values.sum(dim=1)
    enough &= (total > 0) & (length >= max(least_coherence, _LEAST_LENGTH) * total)
    shares = torch.where(enough[:, None], top.values / length.clamp_min(1e-30)[:, None], 0)
    missing = keep - shares.shape[1]
    return pad(top.indices, (0, missing)), pad(shares, (0, missing))


def _agreement(weights: Float[Tensor, "m c"], cosine: Float[Tensor, "m c"]) -> Float[Tensor, "m c"]:
    """What of each weight `robust` keeps, 0 to 1, given the codes' cosines with the mean; see `from_weights`."""
    heavy = weights.topk(min(_HEAVIEST, weights.shape[1]), dim=1)
    falling = cosine.gather(1, heavy.indices).sort(dim=1, descending=True)
    light = heavy.values.gather(1, falling.indices).cumsum(dim=1)
    middle = (light < light[:, -1:] / 2).sum(dim=1, keepdim=True)  # the first at which half the light is reached
    median = falling.values.gather(1, middle)
    return ((cosine - median) / _MARGIN + 2).clamp(0, 1)
