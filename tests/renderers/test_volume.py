"""Rendering an analytic wall and ball through the same code that renders fields."""

import torch

from langfield.core.cameras import Camera, Cameras
from langfield.core.rays import Rays
from langfield.fields.radiance import DensityConfig
from langfield.renderers.samplers.proposal import ProposalSampler, ProposalSamplerConfig
from langfield.renderers.volume import (
    join_samples,
    median_distance,
    render_rays,
    scaled_by_distance,
    surface_samples,
)


class Ball(torch.nn.Module):
    """An opaque red ball of radius 0.5 at (0, 0, 2); the background at its last sample is blue."""

    def density(self, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        distance = (points - torch.tensor([0.0, 0.0, 2.0])).norm(dim=-1)
        return torch.where(distance < 0.5, 500.0, 0.0), distance[:, None]

    def color(self, geometry: torch.Tensor, directions: torch.Tensor, photo: torch.Tensor | None) -> torch.Tensor:
        inside = geometry[..., 0] < 0.5
        return torch.where(inside[..., None], torch.tensor([1.0, 0, 0]), torch.tensor([0, 0, 1.0]))

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        return self.density(points)[0]


def sampler_of(ball: Ball, proposal_samples: tuple[int, ...], samples: int) -> ProposalSampler:
    """One whose every proposal network is the ball."""
    networks = tuple(DensityConfig(levels=1, log2_rows=4) for _ in proposal_samples)
    made = ProposalSampler(ProposalSamplerConfig(networks, proposal_samples, samples))
    made.networks = torch.nn.ModuleList(ball for _ in proposal_samples)
    return made


def rays_of_a_camera() -> tuple[Rays, Camera]:
    camera = Camera(torch.eye(4).double().numpy(), 32, 32, 32.0, 32.0, 16.0, 16.0)
    pixels = camera.pixel_centres().reshape(-1, 2)
    rays = Cameras.from_list([camera]).rays(torch.zeros(len(pixels), dtype=torch.int64), pixels)
    return rays, camera


def test_ball_has_its_colour_depth_and_outline():
    rays, _ = rays_of_a_camera()
    ball = Ball()
    with torch.no_grad():
        render = render_rays(ball, sampler_of(ball, (512, 128), 64), rays)
    # Closed form: the ray at angle a to the axis meets the ball where |o + t d − c| = r.
    along = 2 * rays.directions[:, 2]
    discriminant = along**2 - (4 - 0.25)
    hit = discriminant > 0.02
    missed = discriminant < -0.02
    assert hit.sum() > 100
    torch.testing.assert_close(render.alpha[hit], torch.ones(int(hit.sum())), rtol=0, atol=1e-2)
    near_side = (along - discriminant.clamp_min(0).sqrt())[hit]
    torch.testing.assert_close(render.distance()[hit], near_side, rtol=0, atol=0.02)
    torch.testing.assert_close(
        render.rgb[hit], torch.tensor([[1.0, 0, 0]]).expand(int(hit.sum()), 3), rtol=0, atol=0.02
    )
    assert render.alpha[missed].max() < 1e-3
    assert torch.isinf(render.distance()[missed]).all()
    torch.testing.assert_close(render.rgb[missed], torch.tensor([[0, 0, 1.0]]).expand(int(missed.sum()), 3))


def test_median_distance_is_where_half_of_the_light_is():
    edges = torch.tensor([[0.0, 1.0, 2.0, 4.0]])
    torch.testing.assert_close(median_distance(torch.tensor([[0.25, 0.25, 0.5]]), edges), torch.tensor([2.0]))
    torch.testing.assert_close(median_distance(torch.tensor([[0.0, 0.0, 1.0]]), edges), torch.tensor([3.0]))
    assert torch.isinf(median_distance(torch.tensor([[0.1, 0.1, 0.1]]), edges)).all()


def test_surface_samples_keep_the_heaviest_and_join():
    rays, _ = rays_of_a_camera()
    ball = Ball()
    with torch.no_grad():
        render = render_rays(ball, sampler_of(ball, (64,), 16), rays)
    whole = surface_samples(render, rays, 4, 0.01)
    assert whole.rays == len(rays)
    counts = torch.bincount(whole.ray, minlength=len(rays))
    assert counts.min() >= 1
    assert counts.max() <= 4
    kept = torch.zeros(len(rays)).index_add_(0, whole.ray, whole.weights)
    hit = render.alpha > 0.9
    assert (kept[hit] > 0.9 * render.alpha[hit]).all()

    some = torch.tensor([3, 500, 501])
    part, index = whole.of_rays(some)
    assert torch.equal(whole.points[index], part.points)
    assert torch.equal(part.ray, torch.searchsorted(some, whole.ray[index]))
    again = join_samples([whole.of_rays(torch.arange(0, 100))[0], whole.of_rays(torch.arange(100, len(rays)))[0]])
    assert torch.equal(again.points, whole.points)
    assert torch.equal(again.ray, whole.ray)


def test_gradients_near_the_camera_are_scaled_and_values_are_not():
    values = torch.tensor([2.0, 3.0, 5.0], requires_grad=True)
    distance = torch.tensor([0.1, 0.5, 4.0])
    scaled = scaled_by_distance(values, distance)
    torch.testing.assert_close(scaled.detach(), values.detach())
    scaled.sum().backward()
    torch.testing.assert_close(values.grad, torch.tensor([0.01, 0.25, 1.0]))
