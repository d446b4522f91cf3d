"""Language maps: mixes by hand, what is not answered for, stray codes, and files."""

import math

import pytest
import torch
from torch.nn.functional import normalize

from langfield.fields import language_map
from langfield.fields.language_map import MAX_CODES, LanguageMap

ANGLES = torch.tensor([0.1, 0.4])


def unit(count: int, dim: int, seed: int) -> torch.Tensor:
    return normalize(torch.randn(count, dim, generator=torch.Generator().manual_seed(seed)), dim=-1)


def made(codebook: torch.Tensor, *weights: torch.Tensor, light: torch.Tensor | None = None, **options) -> LanguageMap:
    count = len(weights[0])
    light = torch.ones(count) if light is None else light
    angles = torch.linspace(0.1, 0.5, len(weights))
    return LanguageMap.from_weights(codebook, iter(weights), light, torch.full((count,), 2.0), angles, **options)


def random_map(elements: int = 30, codes: int = 12, dim: int = 6, keep: int = 4, seed: int = 0) -> LanguageMap:
    generator = torch.Generator().manual_seed(seed)
    weights = [torch.rand(elements, codes, generator=generator) ** 8 for _ in range(2)]
    return made(unit(codes, dim, seed), *weights, keep=keep, min_coherence=0.0)


def every(mapped: LanguageMap) -> torch.Tensor:
    return torch.arange(len(mapped.code))


def test_two_orthogonal_codes_by_hand():
    mapped = made(torch.eye(3), torch.tensor([[3.0, 0.0, 4.0]]), keep=2)
    assert mapped.code.tolist() == [[[2, 0]]]
    torch.testing.assert_close(mapped.share[0, 0].float(), torch.tensor([0.8, 0.6]), rtol=0, atol=5e-4)
    torch.testing.assert_close(mapped.embedding(every(mapped), 0), torch.tensor([[0.6, 0, 0.8]]), rtol=0, atol=5e-4)


def test_shares_are_divided_by_the_true_length_of_the_mix():
    angle = math.radians(60)
    codebook = torch.tensor([[1.0, 0.0], [math.cos(angle), math.sin(angle)]])
    mapped = made(codebook, torch.tensor([[1.0, 1.0]]))
    length = math.sqrt(3)  # of (1, 0) + (1/2, √3/2)
    torch.testing.assert_close(mapped.share[0, 0], torch.tensor([1 / length, 1 / length, 0, 0]).half())
    expected = torch.tensor([[math.cos(angle / 2), math.sin(angle / 2)]])
    torch.testing.assert_close(mapped.embedding(every(mapped), 0), expected, rtol=0, atol=5e-4)


def test_only_the_heaviest_codes_are_kept_at_each_level():
    mapped = made(torch.eye(4), torch.tensor([[1.0, 2, 3, 4]]), torch.tensor([[5.0, 1, 0, 2]]), keep=2)
    assert mapped.code[0].tolist() == [[3, 2], [0, 3]]
    first = normalize(torch.tensor([[0, 0, 3.0, 4.0]]), dim=-1)
    torch.testing.assert_close(mapped.embedding(every(mapped), 0), first, rtol=0, atol=1e-3)


def test_every_mix_is_a_unit_vector_to_float16():
    mapped = random_map()
    mixes = (mapped.codebook.float()[mapped.code.long()] * mapped.share.float()[..., None]).sum(dim=2)
    torch.testing.assert_close(mixes.norm(dim=-1), torch.ones(30, 2), rtol=0, atol=2e-3)
    torch.testing.assert_close(mapped.embedding(every(mapped), 1), normalize(mixes[:, 1], dim=-1))
    assert mapped.share.min() >= 0


def test_all_codes_kept_give_the_mean_of_what_was_seen():
    codebook, weights = unit(5, 8, 3), torch.rand(20, 5, generator=torch.Generator().manual_seed(4)) + 0.1
    mapped = made(codebook, weights, keep=7, min_coherence=0.0)
    mean = normalize(weights @ codebook, dim=-1)
    torch.testing.assert_close(mapped.embedding(every(mapped), 0), mean, rtol=0, atol=4e-3)


def test_elements_hardly_seen_are_not_answered_for():
    weights = torch.ones(3, 2)
    mapped = made(torch.eye(2), weights, weights, light=torch.tensor([0.4, 0.5, 9.0]), min_contribution=0.5)
    assert mapped.seen.tolist() == [False, True, True]
    assert not mapped.share[0].any()
    assert not mapped.embedding(torch.tensor([0]), 1).any()


def test_a_level_without_light_is_not_answered_for_and_the_other_is():
    mapped = made(torch.eye(2), torch.zeros(1, 2), torch.tensor([[0.0, 3.0]]))
    assert mapped.share[0, :, 0].tolist() == [0, 1]
    assert mapped.seen.tolist() == [True]
    assert mapped.share.isfinite().all()


def test_embeddings_that_contradict_each_other_are_no_answer():
    """Coherence of equal parts: 1/√4 for four orthogonal codes, 1/√2 for two, 0 for opposite ones."""
    codebook = torch.cat([torch.eye(4), -torch.eye(4)[:1]])
    weights = torch.tensor([[1.0, 1, 1, 1, 0], [1, 1, 0, 0, 0], [1, 0, 0, 0, 1], [1, 0, 0, 0, 0]])
    assert made(codebook, weights, min_coherence=0.6).seen.tolist() == [False, True, False, True]
    assert made(codebook, weights, min_coherence=0.49).seen.tolist() == [True, True, False, True]
    assert made(codebook, weights, min_coherence=0.8).seen.tolist() == [False, False, False, True]
    assert made(codebook, weights, min_coherence=0.0).share.isfinite().all()


def test_a_contradiction_counts_though_the_kept_code_does_not_show_it():
    weights = torch.ones(1, 8)  # coherence 1/√8 = 0.354
    assert made(torch.eye(8), weights, keep=1, min_coherence=0.36).seen.tolist() == [False]
    assert made(torch.eye(8), weights, keep=1, min_coherence=0.35).seen.tolist() == [True]
    assert made(torch.eye(8), weights, keep=1, min_coherence=0.36, robust=True).seen.tolist() == [False]


def test_kept_codes_that_cancel_are_no_answer_though_all_codes_agree():
    codebook = torch.cat([torch.eye(2), -torch.eye(2)[:1]])
    weights = torch.tensor([[1.0, 0.9, 1.0]])
    assert made(codebook, weights, keep=3, min_coherence=0.2).seen.tolist() == [True]
    assert made(codebook, weights, keep=2, min_coherence=0.2).seen.tolist() == [False]


def strays(part: float, elements: int = 50, dim: int = 32) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A codebook, weights and the truth: 24 codes near it share the light with 2 heavy ones that are elsewhere."""
    generator = torch.Generator().manual_seed(5)
    truth, elsewhere = unit(1, dim, 6), unit(40, dim, 7)
    near = normalize(truth + 0.08 * torch.randn(24, dim, generator=generator), dim=-1)
    weights = torch.zeros(elements, 64)
    weights[:, :24] = torch.rand(elements, 24, generator=generator) + 0.5
    weights[:, :24] *= (1 - part) / weights[:, :24].sum(dim=1, keepdim=True)
    for element in range(elements):
        weights[element, 24 + torch.randperm(40, generator=generator)[:2]] = part / 2
    return torch.cat([near, elsewhere]), weights, truth


@pytest.mark.parametrize("part", [0.2, 0.35])
def test_robust_maps_leave_stray_codes_out(part: float):
    codebook, weights, truth = strays(part)
    plain, robust = (made(codebook, weights, min_coherence=0.0, robust=flag) for flag in (False, True))
    assert (plain.embedding(every(plain), 0) @ truth.T).max() < 0.85
    assert (robust.embedding(every(robust), 0) @ truth.T).min() > 0.93
    assert ((robust.code >= 24) & (robust.share > 0)).sum() == 0


def test_robust_maps_change_nothing_where_all_codes_agree():
    codebook = normalize(unit(1, 32, 8) + 0.02 * unit(10, 32, 9), dim=-1)
    weights = torch.rand(20, 10, generator=torch.Generator().manual_seed(10))
    plain, robust = (made(codebook, weights, robust=flag) for flag in (False, True))
    assert torch.equal(plain.code, robust.code)
    torch.testing.assert_close(plain.share, robust.share, rtol=0, atol=1e-3)


def test_robust_maps_of_nothing_and_of_one_code():
    mapped = made(torch.eye(3), torch.tensor([[0.0, 0, 0], [0, 2, 0]]), robust=True)
    assert mapped.seen.tolist() == [False, True]
    assert mapped.embedding(every(mapped), 0).tolist() == [[0, 0, 0], [0, 1, 0]]


def test_the_size_of_chunks_changes_nothing(monkeypatch: pytest.MonkeyPatch):
    codebook, weights, _ = strays(0.3)
    whole = made(codebook, weights, weights.flip(0), robust=True)
    monkeypatch.setattr(language_map, "_CHUNK_NUMBERS", 64 * 7)
    parts = made(codebook, weights, weights.flip(0), robust=True)
    assert torch.equal(whole.code, parts.code)
    torch.testing.assert_close(whole.share, parts.share, rtol=0, atol=1e-3)


def test_weights_of_one_level_at_a_time_are_asked_for():
    alive = 0

    def levels():
        nonlocal alive
        for level in range(3):
            assert alive == level
            yield torch.ones(4, 2)
            alive += 1

    LanguageMap.from_weights(torch.eye(2), levels(), torch.ones(4), torch.ones(4), torch.tensor([0.1, 0.2, 0.3]))
    assert alive == 3


def test_as_many_levels_as_crop_angles():
    with pytest.raises(ValueError, match="shorter"):
        LanguageMap.from_weights(torch.eye(2), iter([torch.ones(4, 2)]), torch.ones(4), torch.ones(4), ANGLES)


def test_more_codes_than_int16_counts_are_refused():
    codebook = unit(MAX_CODES + 1, 2, 0)
    with pytest.raises(ValueError, match="32767"):
        made(codebook, torch.zeros(1, MAX_CODES + 1))
    with pytest.raises(ValueError, match="32767"):
        LanguageMap.empty(1, 1, 1, MAX_CODES + 1, 2)
    weights = torch.zeros(1, MAX_CODES)
    weights[0, -1] = 1
    assert made(codebook[:-1], weights).code[0, 0, 0] == MAX_CODES - 1


def test_distances_beyond_float16_stay_finite():
    mapped = LanguageMap.from_weights(
        torch.eye(2), iter([torch.ones(2, 2)]), torch.ones(2), torch.tensor([1e9, 3.0]), ANGLES[:1]
    )
    assert mapped.distance.tolist() == [65504, 3]


def test_a_saved_state_of_any_sizes_is_loaded():
    mapped = random_map(keep=3)
    for fresh in (LanguageMap.empty(0, 1, 1, 0, 6), LanguageMap.empty(99, 4, 5, 20, 6), random_map(seed=1)):
        fresh.load_state_dict(mapped.state_dict())
        for name, tensor in mapped.state_dict().items():
            assert torch.equal(fresh.state_dict()[name], tensor), name
            assert fresh.state_dict()[name].dtype == tensor.dtype


def test_a_state_is_loaded_as_part_of_a_module():
    mapped, whole = random_map(), torch.nn.ModuleDict({"language": LanguageMap.empty(0, 1, 1, 0, 6)})
    whole.load_state_dict({f"language.{name}": tensor for name, tensor in mapped.state_dict().items()})
    assert torch.equal(whole.state_dict()["language.share"], mapped.share)


def test_another_encoders_state_is_refused():
    with pytest.raises(RuntimeError, match="codebook"):
        LanguageMap.empty(0, 2, 4, 0, 7).load_state_dict(random_map().state_dict())


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("share", torch.zeros(29, 2, 4, dtype=torch.float16)),
        ("distance", torch.zeros(31, dtype=torch.float16)),
        ("crop_angles", torch.ones(3)),
        ("code", torch.full((30, 2, 4), 12, dtype=torch.int16)),
        ("code", torch.full((30, 2, 4), -1, dtype=torch.int16)),
    ],
)
def test_a_state_that_does_not_fit_together_is_refused(name: str, tensor: torch.Tensor):
    fresh = LanguageMap.empty(0, 1, 1, 0, 6)
    with pytest.raises(RuntimeError, match="language map's"):
        fresh.load_state_dict({**random_map().state_dict(), name: tensor})


def test_a_state_without_codes_names_them():
    state = random_map().state_dict()
    del state["code"]
    with pytest.raises(RuntimeError, match=r"Missing.*code"):
        LanguageMap.empty(0, 1, 1, 0, 6).load_state_dict(state)


def test_memory_is_what_the_buffers_take():
    assert random_map().memory_bytes == 30 * 2 * 4 * 4 + 30 * 2 + 12 * 6 * 2 + 2 * 4


def test_cleared_it_knows_nothing_and_holds_no_memory():
    mapped = random_map()
    mapped.clear()
    assert mapped.memory_bytes == 2 * 4
    assert mapped.seen.shape == (0,)
    assert mapped.code.shape == (0, 2, 4)
    assert all(
        buffer.untyped_storage().nbytes() == 0 for name, buffer in mapped.named_buffers() if name != "crop_angles"
    )


def test_an_empty_map_answers_for_nothing():
    mapped = LanguageMap.empty(5, 2, 3, 4, 6)
    assert not mapped.seen.any()
    assert not mapped.embedding(torch.arange(5), 1).any()
