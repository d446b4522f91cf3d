"""The Triton kernel on a GPU against the torch reference."""

import pytest
import torch

from langfield.ops.sparse_relevancy import reference, sparse_relevancy, sparse_relevancy_levels


def asked(elements: int, levels: int, keep: int, phrases: int, negatives: int = 4, codes: int = 1000):
    """Random dots, codes and shares; some 40 % of the levels are not answered for."""
    generator = torch.Generator(device="cuda").manual_seed(elements + phrases)
    dots = [torch.randn(codes, count, generator=generator, device="cuda") for count in (phrases, negatives)]
    shape = (elements, levels, keep)
    code = torch.randint(0, codes, shape, generator=generator, device="cuda").to(torch.int16)
    share = torch.rand(shape, generator=generator, device="cuda").half()
    share *= torch.rand((elements, levels, 1), generator=generator, device="cuda") < 0.6
    return *dots, code, share, 2.0


def assert_same(arguments) -> None:
    """Levels may differ where two are equally good to float32's rounding; relevancies may not."""
    found, level = sparse_relevancy(*arguments)
    expected, expected_level = reference.sparse_relevancy(*arguments)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert level.dtype == torch.int8
    assert torch.equal(level < 0, expected_level < 0)
    assert (level == expected_level).float().mean() > 0.999


@pytest.mark.parametrize("phrases", [1, 2, 3, 5, 8, 15, 16, 17, 31, 32, 33, 64, 100, 130])
@pytest.mark.parametrize("elements", [1, 127, 129, 5003])
def test_values_and_levels_are_the_references(elements: int, phrases: int):
    assert_same(asked(elements, 4, 4, phrases))


@pytest.mark.parametrize(
    ("levels", "keep", "negatives", "codes"),
    [(1, 1, 1, 1), (7, 4, 4, 32767), (3, 5, 1, 50), (2, 3, 33, 50), (4, 8, 7, 9)],
)
def test_any_levels_codes_and_negatives(levels: int, keep: int, negatives: int, codes: int):
    assert_same(asked(1003, levels, keep, 6, negatives, codes))


def test_every_level_is_the_references():
    arguments = asked(1003, 4, 4, 6)
    on_cpu = [item.cpu() if isinstance(item, torch.Tensor) else item for item in arguments]
    torch.testing.assert_close(
        sparse_relevancy_levels(*arguments).cpu(), sparse_relevancy_levels(*on_cpu), rtol=1e-5, atol=1e-5
    )


def test_of_levels_that_tie_the_first_is_taken():
    phrase_dots, negative_dots, code, share, temperature = asked(1003, 1, 4, 6)
    share = share.repeat(1, 4, 1)
    share[::2, 0] = 0
    _, level = sparse_relevancy(phrase_dots, negative_dots, code.repeat(1, 4, 1), share, temperature)
    answered = (share > 0).any(dim=-1)
    first = torch.where(answered.any(dim=1), answered.int().argmax(dim=1), -1)
    assert torch.equal(level.long(), first[:, None].expand_as(level))


def test_views_and_half_dots_are_taken_as_they_are():
    phrase_dots, negative_dots, code, share, temperature = asked(301, 4, 4, 9)
    turned = (phrase_dots.half().T.contiguous().T, negative_dots.half(), code[::3], share[::3], temperature)
    assert_same(turned)


def test_no_elements():
    found, level = sparse_relevancy(*asked(0, 4, 4, 3))
    assert found.shape == level.shape == (0, 3)
