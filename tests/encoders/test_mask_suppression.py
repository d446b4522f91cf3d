import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from langfield.encoders.masks.suppression import best_of_overlapping, mask_ious


def masks_of(seed: int, count: int, side: int = 12) -> torch.Tensor:
    """Boxes at random places, a few of them empty, many overlapping."""
    generator = torch.Generator().manual_seed(seed)
    a, b = torch.randint(0, side + 1, (2, count, 2), generator=generator)
    low, high = torch.minimum(a, b), torch.maximum(a, b)
    places = torch.arange(side)
    inside = (places >= low[..., None]) & (places < high[..., None])
    return inside[:, 0, :, None] & inside[:, 1, None, :]


def greedy(masks: torch.Tensor, max_iou: float) -> list[int]:
    """The plain twin: one mask after the other, against those that were kept."""
    kept: list[int] = []
    for each in range(len(masks)):
        ious = [float((masks[each] & masks[k]).sum() / (masks[each] | masks[k]).sum().clamp(min=1)) for k in kept]
        if all(iou <= max_iou for iou in ious):
            kept.append(each)
    return kept


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.integers(0, 60), st.sampled_from([0.11, 0.351, 0.701]))
def test_the_batched_answer_is_the_greedy_one(seed, count, max_iou):
    masks = masks_of(seed, count)
    kept = best_of_overlapping(mask_ious(masks), max_iou)
    assert kept.nonzero()[:, 0].tolist() == greedy(masks, max_iou)


def test_a_long_chain_is_the_greedy_one_too():
    """Every mask overlaps only the next: of 100 each second stays, which no few rounds can know."""
    count = 100
    ious = (
        torch.eye(count) + torch.diag(torch.full((count - 1,), 0.9), 1) + torch.diag(torch.full((count - 1,), 0.9), -1)
    )
    assert best_of_overlapping(ious, 0.7).nonzero()[:, 0].tolist() == list(range(0, count, 2))


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000))
def test_kept_masks_overlap_little_and_dropped_ones_overlap_a_better_one(seed):
    ious = mask_ious(masks_of(seed, 40))
    kept = best_of_overlapping(ious, 0.5)
    among = ious[kept][:, kept]
    assert (among - torch.diag(among.diagonal())).max() <= 0.5
    for each in (~kept).nonzero()[:, 0].tolist():
        assert (ious[each, :each][kept[:each]] > 0.5).any()


def test_ious_are_exact():
    masks = torch.zeros(3, 300, 300, dtype=torch.bool)  # larger than one chunk of columns
    masks[0, :200], masks[1, 100:] = True, True
    expected = torch.tensor([[1.0, 1 / 3, 0], [1 / 3, 1, 0], [0, 0, 0]])
    assert torch.equal(mask_ious(masks), expected)
