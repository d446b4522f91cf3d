"""LERF on tiny scenes: what its gradients may touch, that it learns, and what it answers."""

from dataclasses import replace

import torch

from langfield.core.cameras import Camera, Cameras
from langfield.models.base import Method, MethodContext, RayBatch
from langfield.models.nerf.lerf import Lerf
from langfield.models.presets import LERF, LERF_BIG, LERF_LITE, NANO
from langfield.models.registry import create_method

TINY = replace(NANO, chunk_rays=64)
CONTEXT = MethodContext(photos=2, embed_dim=8, dense_dim=5)


def tiny_batch(rays: int = 64, language: int = 32, seed: int = 0) -> RayBatch:
    generator = torch.Generator().manual_seed(seed)
    camera = Camera(torch.eye(4).double().numpy(), 16, 16, 16.0, 16.0, 8.0, 8.0)
    index = torch.randint(0, 2, (rays,), generator=generator)
    pixels = torch.rand(rays, 2, generator=generator) * 16
    made = Cameras.from_list([camera, camera]).rays(index, pixels)
    left = pixels[:, :1] < 8
    rgb = torch.where(left, torch.tensor([0.9, 0.1, 0.1]), torch.tensor([0.1, 0.1, 0.9]))
    embedding = torch.nn.functional.one_hot(left[:language, 0].long(), 8).float()
    return RayBatch(
        rays=made,
        rgb=rgb,
        embedding=embedding,
        crop_angle=torch.rand(language, generator=generator) * 0.5,
        dense=torch.randn(language, 5, generator=generator),
        jitter=torch.rand(rays, 4, generator=generator),
    )


def total(terms: dict[str, torch.Tensor]) -> torch.Tensor:
    return torch.stack([value for name, value in terms.items() if not name.startswith("_")]).sum()


def test_it_is_a_method_and_its_loss_is_repeatable():
    torch.manual_seed(0)
    method = create_method("lerf", TINY, CONTEXT)
    assert isinstance(method, Method)
    first, second = method.loss(tiny_batch(), 3), method.loss(tiny_batch(), 3)
    assert first.keys() == {"rgb", "_mse", "distortion", "proposal", "language", "dense"}
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_language_gives_geometry_no_gradient_and_reaches_all_of_its_own():
    torch.manual_seed(0)
    method = Lerf(TINY, CONTEXT)
    terms = method.loss(tiny_batch(), 0)
    (terms["language"] + terms["dense"]).backward()
    groups = {group.name: group.params for group in method.param_groups()}
    assert all(p.grad is None for p in groups["radiance"] + groups["proposals"])
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in groups["language"])


def test_every_parameter_is_in_exactly_one_group():
    method = Lerf(TINY, CONTEXT)
    grouped = [id(p) for group in method.param_groups() for p in group.params]
    assert sorted(grouped) == sorted(id(p) for p in method.parameters())


def test_it_learns_colours_and_embeddings():
    torch.manual_seed(0)
    method = Lerf(TINY, CONTEXT)
    optimiser = torch.optim.Adam(method.parameters(), lr=1e-2, eps=1e-15)
    before = method.loss(tiny_batch(seed=99), 0)
    for step in range(60):
        optimiser.zero_grad()
        total(method.loss(tiny_batch(seed=step), step)).backward()
        optimiser.step()
    after = method.loss(tiny_batch(seed=99), 0)
    assert after["rgb"] < 0.3 * before["rgb"]
    assert after["language"] < 0.5 * before["language"]


def test_rendering_shapes_units_and_chunks():
    torch.manual_seed(0)
    method = Lerf(TINY, CONTEXT)
    camera = Camera(torch.eye(4).double().numpy(), 20, 10, 16.0, 16.0, 10.0, 5.0)
    view, samples = method.surface(camera)
    assert view.rgb is not None
    assert view.rgb.shape == (10, 20, 3)
    assert 0 <= view.rgb.min() <= view.rgb.max() <= 1
    assert samples is not None
    assert samples.rays == 200
    whole = Lerf(replace(TINY, chunk_rays=4096), CONTEXT)
    whole.load_state_dict(method.state_dict())
    other, _ = whole.surface(camera)
    torch.testing.assert_close(view.rgb, other.rgb)


def test_embeddings_of_some_rays_are_those_of_all():
    torch.manual_seed(0)
    method = Lerf(TINY, CONTEXT)
    camera = Camera(torch.eye(4).double().numpy(), 12, 10, 16.0, 16.0, 6.0, 5.0)
    _, samples = method.surface(camera)
    assert samples is not None
    features = method.language_features(samples)
    scale = torch.rand(120)
    whole = method.embed(samples, scale)
    torch.testing.assert_close(method.embed(samples, scale, features), whole)
    torch.testing.assert_close(whole.norm(dim=-1), torch.ones(120))
    some = torch.tensor([0, 7, 8, 119])
    part, index = samples.of_rays(some)
    torch.testing.assert_close(method.embed(part, scale[some], features[index]), whole[some])

    # By loops over one ray's samples, from the paper's definition.
    mine = samples.ray == 7
    each = method.language(features[mine], scale[7].expand(int(mine.sum())))
    expected = torch.nn.functional.normalize((samples.weights[mine, None] * each).sum(0), dim=0)
    torch.testing.assert_close(whole[7], expected)


def test_published_presets_have_the_published_settings():
    assert LERF.language.grid.levels == (12, 12)
    assert LERF.language.grid.resolutions == ((16, 128), (128, 512))
    assert (LERF.language_samples, LERF_LITE.language_samples, LERF_BIG.language_samples) == (24, 12, 32)
    assert (LERF.language_lr_steps, LERF_LITE.language_lr_steps, LERF_BIG.language_lr_steps) == (4000, 7000, 3000)
    assert LERF_LITE.language.grid.levels == (16,)
    assert (LERF.sampling.proposals, LERF.sampling.samples) == ((256, 96), 48)
    assert LERF.proposal_every == 5


def test_proposals_train_at_every_step_first_and_at_every_fifth_later():
    method = Lerf(replace(TINY, proposal_warmup=1000, proposal_every=5), CONTEXT)
    trains = [method._trains_proposals(step) for step in range(3000)]
    assert all(trains[:200])
    assert sum(trains[1000:]) == 400
    assert method.phase(0) is None
    assert method.phase(2000) is True
    assert method.phase(2001) is False
    terms = {step: method.loss(tiny_batch(), step).keys() for step in (2000, 2001)}
    assert terms[2000] - terms[2001] == {"proposal"}


def test_dense_features_of_a_ray_are_what_training_compares_with_photos():
    torch.manual_seed(0)
    method, camera = Lerf(TINY, CONTEXT), Camera(torch.eye(4).double().numpy(), 6, 5, 6.0, 6.0, 3.0, 2.5)
    _, samples = method.surface(camera)
    assert samples is not None
    found = method.dense_features(samples)
    assert found.shape == (30, 5)
    every = method.dense(method.language_grid(samples.points)) * samples.weights[:, None]
    expected = torch.stack([every[samples.ray == ray].sum(dim=0) for ray in range(30)])
    torch.testing.assert_close(found, expected)
    assert not Lerf(TINY, replace(CONTEXT, dense_dim=None)).has_dense
