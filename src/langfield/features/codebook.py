"""A codebook of unit embeddings: learnt from a stream of them, and embeddings coded as sparse mixes of its rows.

Learning is spherical k-means (Dhillon and Modha 2001). Centres are initialised on a sample of the stream (after
k-means++, Arthur and Vassilvitskii 2007), iterated on that sample, which fits in memory, and then improved by passes
over the whole stream, batch by batch. The sum of cosines never falls in a pass.

Coding is non-negative orthogonal matching pursuit: it seeks the non-negative mix of k rows that is nearest in
direction. A softmax over the k most similar rows would not find it: these are similar to each other, too, so that what
the embedding has and the nearest row lacks is in none of them.
"""

from collections.abc import Callable, Iterable, Iterator

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn.functional import embedding_bag, normalize

_CHUNK_NUMBERS = 2**24  # of a similarity table held at once: 64 MiB
_SAMPLE_PER_CODE = 16
_MIN_SAMPLE = 4096
_SAMPLE_PASSES = 8
_DRAWN_AT_ONCE = 2048
_SPARES = 1024  # vectors kept in a pass to replace dead centres
_SAME_GAP = 1e-6  # 1 − cosine below which two vectors count as equal: the rounding of float16
_SHARPNESS = 4  # a vector is drawn with probability proportional to (1 − cosine)^4; the exponent of k-means++ is 1
_SWEEPS = 10  # of coordinate descent over at most k numbers that start near their optimum


@torch.no_grad()
def learn_codebook(
    batches: Callable[[], Iterable[Tensor]], size: int, *, passes: int = 3, seed: int = 0
) -> Float[Tensor, "c d"]:
    """Unit rows, float32 on the batches' device, one of which is near each embedding of the stream.

    If the stream has fewer different vectors than `size` (vectors less than 0.1° apart count as equal), the rows are
    exactly those, each once. The same stream and seed give the same rows.

    Cost: 2 · vectors · size · d multiplications a pass, and 9 times as many for a sample of 16 · size vectors. Memory:
    that sample, twice while it is drawn, and 64 MiB; batches may be of any size.

    Args:
        batches: a function that starts the stream anew, called `passes` + 1 times; its items are (n, d) embeddings of
            any length. Rows that are 0 or not finite are left out.
        size: number of rows.
        passes: over the whole stream, to improve the rows.

    Raises:
        ValueError: a size below 1, or a stream without any usable row.
    """
    if size < 1:
        raise ValueError(f"a codebook needs at least one row, got size {size}")
    generator = torch.Generator().manual_seed(seed)
    sample = _Largest(max(size * _SAMPLE_PER_CODE, _MIN_SAMPLE))
    for rows in _unit_rows(batches()):
        sample.add(torch.rand(len(rows), generator=generator).to(rows.device), rows)
    vectors = sample.rows()
    if vectors is None:
        raise ValueError("there are no embeddings to learn a codebook from")
    codebook = _initial_centres(vectors, size, generator)
    for _ in range(_SAMPLE_PASSES):
        codebook = improve_codebook([vectors], codebook, generator)
    del sample, vectors
    for _ in range(passes):
        codebook = improve_codebook(_unit_rows(batches()), codebook, generator)
    return codebook


@torch.no_grad()
def nearest_codes(
    embedding: Float[Tensor, "n d"], codebook: Float[Tensor, "c d"], k: int = 1
) -> tuple[Int64[Tensor, "n k"], Float[Tensor, "n k"]]:
    """The rows of `codebook` that each embedding is coded with, and their shares (float32, at least 0, with sum 1).

    For k = 1 it is the row of greatest cosine. For more, each step adds the row most similar to the residual and fits
    all shares again, with a bound of 0, so that the cosine of the mix never falls with k. A row that improves nothing
    gets a share of 0.

    Cost: k products of n × d with d × c; the table of similarities is made a chunk at a time.

    Args:
        embedding: unit vectors.
        codebook: unit vectors, at least one.
        k: rows for each embedding.
    """
    codebook = codebook.float()
    at_once = max(_CHUNK_NUMBERS // max(len(codebook), k * codebook.shape[1]), 1)
    coded = [_pursue(rows.float(), codebook, k) for rows in embedding.split(at_once)]
    return torch.cat([rows for rows, _ in coded]), torch.cat([shares for _, shares in coded])


# -- coding ----------------------------------------------------------------------------------------------------------


def _pursue(
    embedding: Float[Tensor, "n d"], codebook: Float[Tensor, "c d"], k: int
) -> tuple[Int64[Tensor, "n k"], Float[Tensor, "n k"]]:
    """`nearest_codes` of one chunk."""
    codes = torch.zeros(len(embedding), k, dtype=torch.int64, device=embedding.device)
    weights = torch.zeros(len(embedding), k, device=embedding.device)
    left = embedding
    for step in range(min(k, len(codebook))):
        similarity = (left @ codebook.T).scatter_(1, codes[:, :step], -torch.inf)
        codes[:, step] = similarity.argmax(dim=1)
        if k > 1:
            chosen = codebook[codes[:, : step + 1]]  # n s d
            target = (chosen @ embedding[..., None]).squeeze(-1)
            weights[:, : step + 1] = _non_negative_fit(chosen @ chosen.mT, target, weights[:, : step + 1])
            left = embedding - (weights[:, : step + 1, None] * chosen).sum(dim=1)
    nothing = weights.sum(dim=1) <= 0  # k = 1, or an embedding that no row points towards: the nearest row alone
    weights[:, 0] += nothing
    return codes, weights / weights.sum(dim=1, keepdim=True)


def _non_negative_fit(
    gram: Float[Tensor, "n s s"], target: Float[Tensor, "n s"], start: Float[Tensor, "n s"]
) -> Float[Tensor, "n s"]:
    """x ≥ 0 that minimises x·G·x / 2 − x·t, by coordinate descent: no step makes it worse."""
    x = start.clone()
    diagonal = gram.diagonal(dim1=1, dim2=2).clamp_min(1e-6)
    for _ in range(_SWEEPS):
        for i in range(x.shape[1]):
            slope = target[:, i] - (gram[:, i] * x).sum(dim=1)
            x[:, i] = (x[:, i] + slope / diagonal[:, i]).clamp_min(0)
        if x.shape[1] == 1:
            break
    return x


# -- learning --------------------------------------------------------------------------------------------------------


def _unit_rows(batches: Iterable[Tensor]) -> Iterator[Float[Tensor, "n d"]]:
    for batch in batches:
        length = batch.float().norm(dim=-1)
        good = length.isfinite() & (length > 1e-6)
        rows = batch[good].float() / length[good, None]
        if len(rows):
            yield rows


def _nearest(
    rows: Float[Tensor, "n d"], codebook: Float[Tensor, "c d"]
) -> tuple[Int64[Tensor, " n"], Float[Tensor, " n"]]:
    """The row of greatest cosine, and 1 − that cosine; exactly 0 for vectors that count as equal."""
    best = [(part @ codebook.T).max(dim=1) for part in rows.split(max(_CHUNK_NUMBERS // len(codebook), 1))]
    gap = 1 - torch.cat([cosine for cosine, _ in best])
    return torch.cat([code for _, code in best]), torch.where(gap < _SAME_GAP, 0.0, gap)


def _initial_centres(sample: Float[Tensor, "n d"], size: int, generator: torch.Generator) -> Float[Tensor, "c d"]:
    """Centres drawn as in k-means++, but many at a time: as many as there are already, less those drawn too near
    others.

    Their probabilities are sharper than in k-means++ (`_SHARPNESS`), which missed one in eight of planted clusters;
    without clusters the error is the same. Cost: one product of n × d with d × size, in about log₂(size) rounds.
    """
    codebook = sample[:0]
    gap = torch.ones(len(sample), device=sample.device)
    while len(codebook) < size and bool((gap > 0).any()):
        wanted = min(max(len(codebook), 1), size - len(codebook), _DRAWN_AT_ONCE, int((gap > 0).sum()))
        drawn = _draw_keys(gap, generator).topk(wanted).indices
        new = sample[drawn][_far_apart(sample[drawn], gap[drawn], generator)]
        codebook = torch.cat([codebook, new])
        gap = torch.minimum(gap, _nearest(sample, new)[1])
    return codebook


def _draw_keys(gap: Float[Tensor, " n"], generator: torch.Generator) -> Float[Tensor, " n"]:
    """Random keys, the largest of which are a draw without replacement with probabilities proportional to gap^4 (Gumbel
    trick). Drawn on the CPU, so that every device draws the same; −∞ where the gap is 0.
    """
    uniform = torch.rand(len(gap), generator=generator).clamp(1e-12, 1 - 1e-7).to(gap.device)
    return _SHARPNESS * gap.log() - (-uniform.log()).log()


def _far_apart(drawn: Float[Tensor, "m d"], gap: Float[Tensor, " m"], generator: torch.Generator) -> Bool[Tensor, " m"]:
    """Which of vectors that were drawn together to keep, so that they are distributed as if drawn one after the other.

    A vector was drawn by its `gap`; with the earlier ones as centres it would have been by min(gap, 1 − cosine with
    them). It is kept with the ratio of these probabilities, the first one always. Earlier ones that are not kept count
    too, so that a few more are dropped than need be.
    """
    earlier = torch.ones(len(drawn), len(drawn), dtype=torch.bool, device=drawn.device).tril(-1)
    apart = torch.where(earlier, 1 - drawn @ drawn.T, torch.inf).amin(dim=1)
    left = torch.minimum(gap, torch.where(apart < _SAME_GAP, 0.0, apart))
    return torch.rand(len(drawn), generator=generator).to(drawn.device) < (left / gap) ** _SHARPNESS


@torch.no_grad()
def improve_codebook(
    batches: Iterable[Tensor], codebook: Float[Tensor, "c d"], generator: torch.Generator
) -> Float[Tensor, "c d"]:
    """One pass of k-means: each row becomes the mean direction of the embeddings that it was nearest to.

    A row that was nearest to none is dead. It is replaced by a vector of the stream, drawn with a probability that
    grows with its distance from the other rows; if all of the stream is in the codebook, it stays.

    Args:
        batches: float32 unit embeddings, (n, d) each.
        codebook: float32 unit rows.
        generator: on the CPU.
    """
    sums, counts = torch.zeros_like(codebook), torch.zeros(len(codebook), dtype=torch.int64, device=codebook.device)
    worst = _Largest(_SPARES)
    for rows in batches:
        codes, gap = _nearest(rows, codebook)
        count = codes.bincount(minlength=len(codebook))
        # Sums of sorted rows: the same bits every time, on a GPU too, which index_add_ does not give.
        sums += embedding_bag(codes.argsort(stable=True), rows, count.cumsum(0) - count, mode="sum")
        counts += count
        worst.add(_draw_keys(gap, generator), rows)
    # Where the vectors of a row cancel, they have no mean direction, and the row stays.
    codebook = torch.where(sums.norm(dim=-1, keepdim=True) > 1e-4, normalize(sums, dim=-1), codebook)
    spare, dead = worst.rows(), (counts == 0).nonzero().squeeze(-1)
    if spare is None or not len(dead) or len(dead) == len(codebook):
        return codebook
    gap = _nearest(spare, codebook[counts > 0])[1]
    spare, gap = spare[gap > 0], gap[gap > 0]
    spare = spare[_far_apart(spare, gap, generator)][: len(dead)]
    return codebook.index_copy(0, dead[: len(spare)], spare)


class _Largest:
    """The `size` rows with the largest keys among all that were added."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._floor = -torch.inf
        self._kept: list[tuple[Tensor, Tensor]] = []

    def add(self, keys: Float[Tensor, " n"], rows: Float[Tensor, "n d"]) -> None:
        above = keys > self._floor
        self._kept.append((keys[above], rows[above]))
        if sum(len(keys) for keys, _ in self._kept) > 2 * self._size:  # not at every batch: it copies all rows
            self._sort()

    def rows(self) -> Float[Tensor, "m d"] | None:
        """The rows by falling key; None if none has a key above −∞."""
        self._sort()
        return self._kept[0][1] if self._kept and len(self._kept[0][1]) else None

    def _sort(self) -> None:
        if self._kept:
            keys, rows = (torch.cat(parts) for parts in zip(*self._kept, strict=True))
            top = keys.topk(min(self._size, len(keys)))
            self._kept = [(top.values, rows[top.indices])]
            self._floor = float(top.values[-1]) if len(keys) >= self._size else self._floor
