"""The Triton kernels on a GPU against the torch reference in float64 on the CPU."""

import pytest
import torch

from langfield.ops.ssim import reference, structural_similarity


@pytest.mark.parametrize(
    "size",
    [(1, 1), (3, 5), (8, 11), (9, 32), (17, 33), (480, 640), (1080, 1440), (7, 5000), (5000, 7), (4, 100, 141)],
)
def test_value_and_gradient_are_the_references(size: tuple[int, ...]):
    generator = torch.Generator().manual_seed(size[0])
    picture = torch.rand(*size, 3, generator=generator)
    photo = (picture + 0.2 * torch.randn(*size, 3, generator=generator)).clamp(0, 1)
    fast, slow = picture.cuda().requires_grad_(), picture.double().requires_grad_()
    a, b = structural_similarity(fast, photo.cuda()), reference.structural_similarity(slow, photo.double())
    assert abs(float(a.detach()) - float(b.detach())) < 1e-5
    (-1.7 * a).backward()
    (-1.7 * b).backward()
    assert fast.grad is not None
    assert slow.grad is not None
    assert (fast.grad.cpu() - slow.grad).norm() < 1e-4 * slow.grad.norm()


def test_pictures_of_one_colour_are_finite_and_the_same_picture_is_at_its_best():
    """Variances are differences that rounding may leave below 0."""
    for value in (0.0, 0.3, 1.0):
        picture = torch.full((50, 60, 3), value, device="cuda", requires_grad=True)
        found = structural_similarity(picture, picture.detach())
        assert float(found.detach()) == pytest.approx(1.0, abs=1e-5)
        found.backward()
        assert picture.grad is not None
        assert picture.grad.abs().max() < 1e-5


def test_autocast_changes_nothing_and_the_same_bits_come_every_time():
    picture, photo = torch.rand(2, 90, 77, 3, device="cuda")
    plain = structural_similarity(picture, photo)
    with torch.autocast("cuda", dtype=torch.bfloat16):
        inside = structural_similarity(picture, photo)
    assert torch.equal(inside, plain)


def test_it_can_be_recorded():
    """Nothing in it waits for the device, and nothing but its inputs decides the result."""
    picture, photo = torch.rand(2, 64, 48, 3, device="cuda")
    picture.requires_grad_()
    torch.autograd.grad(structural_similarity(picture, photo), picture)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        value = structural_similarity(picture, photo)
        (gradient,) = torch.autograd.grad(value, picture)
    with torch.no_grad():
        picture.copy_(torch.rand_like(picture))
    graph.replay()
    fresh = picture.detach().clone().requires_grad_()
    expected = structural_similarity(fresh, photo)
    expected.backward()
    assert torch.equal(value, expected)
    assert torch.equal(gradient, fresh.grad)
