"""LERF on tiny scenes: what its gradients may touch, that it learns, and what it answers."""

from dataclasses import replace

import pytest
import torch

from langfield.core.cameras import Camera, Cameras
from langfield.core.interruption import NotNeeded, unless
from langfield.models.base import Model
from langfield.models.batches import RayBatch
from langfield.models.config import ModelContext
from langfield.models.nerf.lerf import Lerf
from langfield.models.presets import LERF, LERF_BIG, LERF_LITE, NANO
from langfield.models.registry import create_model
from langfield.renderers.samplers.proposal import ProposalSamplerConfig

TINY = replace(NANO, chunk_rays=64)
CONTEXT = ModelContext(photos=2, target_dims={"embedding": 8, "dense": 5})


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
        targets={
            "rgb": rgb,
            "embedding": embedding,
            "crop_angle": torch.rand(language, generator=generator) * 0.5,
            "dense": torch.randn(language, 5, generator=generator),
        },
        jitter=torch.rand(rays, 4, generator=generator),
    )


def total(terms: dict[str, torch.Tensor]) -> torch.Tensor:
    return torch.stack([value for name, value in terms.items() if not name.startswith("_")]).sum()


def test_it_is_a_model_and_its_loss_is_repeatable():
    torch.manual_seed(0)
    model = create_model("lerf", TINY, CONTEXT)
    assert isinstance(model, Model)
    first, second = model.loss(tiny_batch(), 3), model.loss(tiny_batch(), 3)
    assert first.keys() == {"rgb", "_mse", "distortion", "proposal", "language", "dense"}
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_language_gives_geometry_no_gradient_and_reaches_all_of_its_own():
    torch.manual_seed(0)
    model = Lerf(TINY, CONTEXT)
    terms = model.loss(tiny_batch(), 0)
    (terms["language"] + terms["dense"]).backward()
    groups = {group.name: group.params for group in model.param_groups()}
    assert all(p.grad is None for p in groups["radiance"] + groups["sampler"])
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in groups["heads"])


def test_every_parameter_is_in_exactly_one_group():
    model = Lerf(TINY, CONTEXT)
    grouped = [id(p) for group in model.param_groups() for p in group.params]
    assert sorted(grouped) == sorted(id(p) for p in model.parameters())


def test_it_learns_colours_and_embeddings():
    torch.manual_seed(0)
    model = Lerf(TINY, CONTEXT)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2, eps=1e-15)
    before = model.loss(tiny_batch(seed=99), 0)
    for step in range(60):
        optimiser.zero_grad()
        total(model.loss(tiny_batch(seed=step), step)).backward()
        optimiser.step()
    after = model.loss(tiny_batch(seed=99), 0)
    assert after["rgb"] < 0.3 * before["rgb"]
    assert after["language"] < 0.5 * before["language"]


def test_rendering_shapes_units_and_chunks():
    torch.manual_seed(0)
    model = Lerf(TINY, CONTEXT)
    camera = Camera(torch.eye(4).double().numpy(), 20, 10, 16.0, 16.0, 10.0, 5.0)
    view, samples = model.surface(camera)
    assert view.rgb is not None
    assert view.rgb.shape == (10, 20, 3)
    assert 0 <= view.rgb.min() <= view.rgb.max() <= 1
    assert samples is not None
    assert samples.rays == 200
    whole = Lerf(replace(TINY, chunk_rays=4096), CONTEXT)
    whole.load_state_dict(model.state_dict())
    other, _ = whole.surface(camera)
    torch.testing.assert_close(view.rgb, other.rgb)


def test_a_picture_that_is_not_needed_any_more_stops_at_its_next_chunk(monkeypatch):
    model = Lerf(TINY, CONTEXT)
    camera = Camera(torch.eye(4).double().numpy(), 20, 10, 16.0, 16.0, 10.0, 5.0)  # four chunks
    rendered, density = [], model.radiance.density

    def counted(points: torch.Tensor):
        rendered.append(len(points))
        return density(points)

    monkeypatch.setattr(model.radiance, "density", counted)
    model.render(camera)
    whole = len(rendered)
    rendered.clear()
    with pytest.raises(NotNeeded), unless(lambda: len(rendered) >= whole / 2):
        model.render(camera)
    assert len(rendered) == whole / 2
    view = model.view(camera)  # and what is made after it is whole
    assert view.rendered.rgb is not None
    assert view.rendered.rgb.shape == (10, 20, 3)


def test_embeddings_of_some_rays_are_those_of_all():
    torch.manual_seed(0)
    model = Lerf(TINY, CONTEXT)
    camera = Camera(torch.eye(4).double().numpy(), 12, 10, 16.0, 16.0, 6.0, 5.0)
    _, samples = model.surface(camera)
    assert samples is not None
    features = model.features_at(samples)
    scale = torch.rand(120)
    whole = model.embed(samples, scale)
    torch.testing.assert_close(model.embed(samples, scale, features), whole)
    torch.testing.assert_close(whole.norm(dim=-1), torch.ones(120))
    some = torch.tensor([0, 7, 8, 119])
    part, index = samples.of_rays(some)
    torch.testing.assert_close(model.embed(part, scale[some], features[index]), whole[some])

    # By loops over one ray's samples, from the paper's definition.
    mine = samples.ray == 7
    each = model.heads["language"].field(features[mine], scale[7].expand(int(mine.sum())))
    expected = torch.nn.functional.normalize((samples.weights[mine, None] * each).sum(0), dim=0)
    torch.testing.assert_close(whole[7], expected)


def test_published_presets_have_the_published_settings():
    assert LERF.feature_grid.levels == (12, 12)
    assert LERF.feature_grid.resolutions == ((16, 128), (128, 512))
    assert (LERF.head_samples, LERF_LITE.head_samples, LERF_BIG.head_samples) == (24, 12, 32)
    assert (LERF.head_lr_steps, LERF_LITE.head_lr_steps, LERF_BIG.head_lr_steps) == (4000, 7000, 3000)
    assert LERF_LITE.feature_grid.levels == (16,)
    sampler = LERF.sampler
    assert isinstance(sampler, ProposalSamplerConfig)
    assert (sampler.proposal_samples, sampler.samples, sampler.update_every) == ((256, 96), 48, 5)


def test_the_proposal_loss_is_there_at_the_steps_that_train_proposals():
    model = Lerf(replace(TINY, sampler=replace(TINY.sampler, warmup_steps=1000, update_every=5)), CONTEXT)
    assert model.phase(0) is None
    assert model.phase(2000) is True
    assert model.phase(2001) is False
    terms = {step: model.loss(tiny_batch(), step).keys() for step in (2000, 2001)}
    assert terms[2000] - terms[2001] == {"proposal"}


def test_dense_features_of_a_ray_are_what_training_compares_with_photos():
    torch.manual_seed(0)
    model, camera = Lerf(TINY, CONTEXT), Camera(torch.eye(4).double().numpy(), 6, 5, 6.0, 6.0, 3.0, 2.5)
    _, samples = model.surface(camera)
    assert samples is not None
    found = model.boundary_features(samples)
    assert found is not None
    assert found.shape == (30, 5)
    every = model.heads["dense"].field(model.feature_grid(samples.points)) * samples.weights[:, None]
    expected = torch.stack([every[samples.ray == ray].sum(dim=0) for ray in range(30)])
    torch.testing.assert_close(found, expected)
    assert model.render(camera, ["rgb", "dense"]).channels["dense"].shape == (5, 6, 5)
    assert Lerf(TINY, replace(CONTEXT, target_dims={"embedding": 8})).boundary_features(samples) is None
