"""A codebook of unit embeddings: learnt from a stream of them, and embeddings coded as sparse mixes of its rows.

Learning is spherical k-means (Dhillon and Modha 2001): centres start spread over a sample of the stream (after
k-means++, Arthur and Vassilvitskii 2007), settle on that sample, which fits in memory, and are then improved by passes
over the whole stream, batch by batch. The sum of cosines never falls in a pass.

Coding is non-negative orthogonal matching pursuit: what it seeks is the point of the chosen rows' cone that is nearest
in direction. Softmax over the k most similar rows cannot find it: those rows are much alike, and what an embedding
has that the nearest row lacks is in none of them.
"""

from collections.abc import Callable, Iterable, Iterator

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn.functional import embedding_bag, normalize

_CHUNK_NUMBERS = 2**24  # of a similarity table held at once: 64 MiB
_SAMPLE_PER_CODE = 16
_LEAST_SAMPLE = 4096
_SAMPLE_PASSES = 8
_DRAWN_AT_ONCE = 2048
_SPARES = 1024  # badly represented vectors remembered in a pass, for dead centres
_SAME = 1e-6  # 1 − cosine below which two vectors are one: what float16 rounding leaves of it
_SHARPNESS = 4  # a vector is drawn with probability as (1 − cosine)^4: k-means++ has 1, farthest points ∞
_SWEEPS = 10  # of coordinate descent over at most k numbers that start near their optimum


@torch.no_grad()
def learn_codebook(
    batches: Callable[[], Iterable[Tensor]], size: int, *, passes: int = 3, seed: int = 0
) -> Float[Tensor, "c d"]:
    """Unit rows, float32 on the batches' device, such that embeddings are near one of them.

    Fewer rows than `size` come back if the stream holds fewer different vectors: then exactly those, each once
    (vectors less than 0.1° apart count as one). The same stream and seed give the same rows.

    Cost: 2 · vectors · size · d multiplications a pass, and 9 times as many for a sample of 16 · size vectors. Memory:
    that sample, twice while it is drawn, and 64 MiB; batches may be of any size.

    Args:
        batches: starts the stream anew; its items are (n, d) embeddings, of which only directions count. Zero rows
            and rows that are not finite are left out. It is gone through `passes` + 1 times.
        size: rows wanted.
        passes: of improvement over the whole stream.

    Raises:
        ValueError: a size below 1, or a stream without any direction.
    """
    if size < 1:
        raise ValueError(f"a codebook needs at least one row, got size {size}")
    generator = torch.Generator().manual_seed(seed)
    sample = _Largest(max(size * _SAMPLE_PER_CODE, _LEAST_SAMPLE))
    for rows in _unit_rows(batches()):
        sample.add(torch.rand(len(rows), generator=generator).to(rows.device), rows)
    vectors = sample.rows()
    if vectors is None:
        raise ValueError("there are no embeddings to learn a codebook from")
    codebook = _spread_start(vectors, size, generator)
    for _ in range(_SAMPLE_PASSES):
        codebook = _improved([vectors], codebook, generator)
    del sample, vectors
    for _ in range(passes):
        codebook = _improved(_unit_rows(batches()), codebook, generator)
    return codebook


@torch.no_grad()
def improve_codebook(
    batches: Iterable[Tensor], codebook: Float[Tensor, "c d"], *, seed: int = 0
) -> Float[Tensor, "c d"]:
    """One pass: each row becomes the mean direction of the embeddings it was nearest to.

    A row that none was nearest to is dead; it is drawn anew from the stream, badly represented vectors with
    the greatest chance. Where the stream has nothing left that is not in the codebook, a dead row stays as it is.
    """
    return _improved(_unit_rows(batches), normalize(codebook.float(), dim=-1), torch.Generator().manual_seed(seed))


@torch.no_grad()
def nearest_codes(
    embedding: Float[Tensor, "n d"], codebook: Float[Tensor, "c d"], k: int = 1
) -> tuple[Int64[Tensor, "n k"], Float[Tensor, "n k"]]:
    """The rows of `codebook` that each embedding is coded with, and their shares (float32, ≥ 0, sum 1).

    k = 1 is the row of greatest cosine. For more, each step takes the row most like what is left of the embedding and
    fits all shares again, not below 0; so the cosine of the mix never falls with k. A step that finds nothing to gain
    leaves a share of 0.

    Cost: k products of n × d with d × c; the table of similarities is made a chunk at a time.

    Args:
        embedding, codebook: unit vectors, the codebook with at least one row.
    """
    codebook = codebook.float()
    at_once = max(_CHUNK_NUMBERS // max(len(codebook), k * codebook.shape[1]), 1)
    coded = [_pursue(rows.float(), codebook, k) for rows in embedding.split(at_once)]
    return torch.cat([rows for rows, _ in coded]), torch.cat([shares for _, shares in coded])


@torch.no_grad()
def coding_error(embedding: Float[Tensor, "n d"], codebook: Float[Tensor, "c d"], k: int = 1) -> float:
    """1 − the mean cosine between embeddings and their coded versions: 0 is perfect, NaN that of no embeddings."""
    codebook = codebook.float()
    total = 0.0
    for rows in embedding.split(max(_CHUNK_NUMBERS // max(len(codebook), k * codebook.shape[1]), 1)):
        codes, shares = nearest_codes(rows, codebook, k)
        cosines = torch.cosine_similarity(rows.float(), (codebook[codes] * shares[..., None]).sum(dim=1), dim=-1)
        total += float(cosines.double().sum())
    return 1 - total / len(embedding) if len(embedding) else float("nan")


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
    """The row of greatest cosine, and 1 − that cosine; exactly 0 for vectors that count as the same."""
    best = [(part @ codebook.T).max(dim=1) for part in rows.split(max(_CHUNK_NUMBERS // len(codebook), 1))]
    gap = 1 - torch.cat([cosine for cosine, _ in best])
    return torch.cat([code for _, code in best]), torch.where(gap < _SAME, 0.0, gap)


def _spread_start(sample: Float[Tensor, "n d"], size: int, generator: torch.Generator) -> Float[Tensor, "c d"]:
    """Centres drawn as in k-means++, many at a time: as many as are there already, less those that turn out too near.

    The chance is `_SHARPNESS`-fold sharper: k-means++ itself misses one in eight of planted clusters, and where there
    are none the error comes out the same. One product of n × d with d × size altogether, in about log₂(size) rounds.
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
    """Random keys: the largest belong to a draw without replacement, with probability as gap^4 (Gumbel's trick).

    Drawn on the CPU, so that every device draws the same; −∞ where the gap is 0.
    """
    uniform = torch.rand(len(gap), generator=generator).clamp(1e-12, 1 - 1e-7).to(gap.device)
    return _SHARPNESS * gap.log() - (-uniform.log()).log()


def _far_apart(drawn: Float[Tensor, "m d"], gap: Float[Tensor, " m"], generator: torch.Generator) -> Bool[Tensor, " m"]:
    """Which of vectors drawn together would also have been drawn one after the other; the first always.

    `gap` gave a vector's chance; once the earlier ones are centres, min(gap, 1 − cosine with them) does. Keeping it
    with probability new / old corrects the draw. Earlier ones that are not kept count too: that errs towards far apart.
    """
    earlier = torch.ones(len(drawn), len(drawn), dtype=torch.bool, device=drawn.device).tril(-1)
    apart = torch.where(earlier, 1 - drawn @ drawn.T, torch.inf).amin(dim=1)
    left = torch.minimum(gap, torch.where(apart < _SAME, 0.0, apart))
    return torch.rand(len(drawn), generator=generator).to(drawn.device) < (left / gap) ** _SHARPNESS


def _improved(
    batches: Iterable[Tensor], codebook: Float[Tensor, "c d"], generator: torch.Generator
) -> Float[Tensor, "c d"]:
    """See `improve_codebook`; `batches` and `codebook` hold float32 unit rows."""
    sums, counts = torch.zeros_like(codebook), torch.zeros(len(codebook), dtype=torch.int64, device=codebook.device)
    worst = _Largest(_SPARES)
    for rows in batches:
        codes, gap = _nearest(rows, codebook)
        count = codes.bincount(minlength=len(codebook))
        # Sums of sorted rows: the same bits every time, on a GPU too, which index_add_ does not give.
        sums += embedding_bag(codes.argsort(stable=True), rows, count.cumsum(0) - count, mode="sum")
        counts += count
        worst.add(_draw_keys(gap, generator), rows)
    # Vectors that cancel each other have no mean direction: any is as good as the old one.
    codebook = torch.where(sums.norm(dim=-1, keepdim=True) > 1e-4, normalize(sums, dim=-1), codebook)
    spare, dead = worst.rows(), (counts == 0).nonzero().squeeze(-1)
    if spare is None or not len(dead) or len(dead) == len(codebook):
        return codebook
    gap = _nearest(spare, codebook[counts > 0])[1]
    spare, gap = spare[gap > 0], gap[gap > 0]
    spare = spare[_far_apart(spare, gap, generator)][: len(dead)]
    return codebook.index_copy(0, dead[: len(spare)], spare)


class _Largest:
    """The rows with the largest keys among all that were added; they come out by falling key."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._floor = -torch.inf
        self._kept: list[tuple[Tensor, Tensor]] = []

    def add(self, keys: Float[Tensor, " n"], rows: Float[Tensor, "n d"]) -> None:
        hopeful = keys > self._floor
        self._kept.append((keys[hopeful], rows[hopeful]))
        if sum(len(keys) for keys, _ in self._kept) > 2 * self._most:  # not at every batch: it copies all rows
            self._sort()

    def rows(self) -> Float[Tensor, "m d"] | None:
        """None if none is left whose key is above −∞."""
        self._sort()
        return self._kept[0][1] if self._kept and len(self._kept[0][1]) else None

    def _sort(self) -> None:
        if self._kept:
            keys, rows = (torch.cat(parts) for parts in zip(*self._kept, strict=True))
            top = keys.topk(min(self._most, len(keys)))
            self._kept = [(top.values, rows[top.indices])]
            self._floor = float(top.values[-1]) if len(keys) >= self._most else self._floor
