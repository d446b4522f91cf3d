"""The lifted model: language averaged onto a trained surface, the same by both ways of asking, kept in its state."""

import copy
from dataclasses import replace

import pytest
import torch

from langfield.core.cameras import Camera, Cameras
from langfield.core.errors import TrainingError
from langfield.models.base import AskedPixels, Model
from langfield.models.batches import RayBatch
from langfield.models.config import ModelContext
from langfield.models.presets import LIFT
from langfield.models.registry import create_model
from langfield.models.relevancy import EncodedPhrases
from langfield.models.voxels.voxel_lift import PhotoEmbeddings, VoxelLift, VoxelPixels, VoxelView

TINY = replace(LIFT, chunk_rays=64, sampler=replace(LIFT.sampler, anneal_steps=10))
CONTEXT = ModelContext(photos=1, target_dims={"embedding": 4})
CAMERA = Camera(torch.eye(4).double().numpy(), 16, 16, 16.0, 16.0, 8.0, 8.0)
EVERY = torch.arange(256)
LEFT, RIGHT = torch.eye(4)[:2]


def batch(seed: int) -> RayBatch:
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.rand(128, 2, generator=generator) * 16
    rays = Cameras.from_list([CAMERA]).rays(torch.zeros(128, dtype=torch.int64), pixels)
    rgb = torch.where(pixels[:, :1] < 8, torch.tensor([0.9, 0.1, 0.1]), torch.tensor([0.1, 0.1, 0.9]))
    return RayBatch(rays, {"rgb": rgb}, jitter=torch.rand(128, 4, generator=generator))


def photo() -> PhotoEmbeddings:
    """The left half says one thing and the right half another, at two crop sizes."""
    pixels = CAMERA.pixel_centres().reshape(-1, 2)
    rays = Cameras.from_list([CAMERA]).rays(torch.zeros(256, dtype=torch.int64), pixels)
    said = torch.where(pixels[:, :1] < 8, LEFT, RIGHT)
    return PhotoEmbeddings(rays, torch.stack([said, said]), torch.tensor([0.1, 0.3]))


@pytest.fixture(scope="module")
def lifted() -> VoxelLift:
    torch.manual_seed(0)
    model = VoxelLift(TINY, CONTEXT)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2, eps=1e-15)
    for step in range(40):
        optimiser.zero_grad()
        terms = model.loss(batch(step), step)
        torch.stack([value for name, value in terms.items() if not name.startswith("_")]).sum().backward()
        optimiser.step()
    model.lift(lambda: iter([photo(), photo()]))
    return model


def test_it_is_what_the_protocols_ask_for(lifted: VoxelLift):
    assert isinstance(lifted, Model)
    assert lifted.finish_stage == "lifting"
    view = lifted.view(CAMERA)
    assert isinstance(view, VoxelView)
    assert isinstance(view.of_pixels(torch.arange(3)), AskedPixels)
    assert isinstance(create_model("voxel_lift", TINY, CONTEXT), VoxelLift)


def test_a_photo_that_is_masked_entirely_changes_nothing(lifted: VoxelLift):
    nothing = photo()
    nothing = PhotoEmbeddings(nothing.rays[:0], torch.zeros(2, 0, 4), nothing.crop_angle)
    model = copy.deepcopy(lifted)
    model.lift(lambda: iter([nothing, photo(), photo()]))
    assert torch.equal(model.codes, lifted.codes)
    with pytest.raises(TrainingError):
        model.lift(lambda: iter([nothing]))


def test_embeddings_are_asked_for_once(lifted: VoxelLift):
    asked = []

    def seen() -> PhotoEmbeddings:
        of_photo = photo()
        return replace(of_photo, embedding=(asked.append(0) or level for level in of_photo.embedding))

    model = copy.deepcopy(lifted)
    model.lift(lambda: iter([seen(), seen()]))
    assert torch.equal(model.codes, lifted.codes)
    assert len(asked) == 2 * 2


def test_each_side_answers_what_its_pixels_said(lifted: VoxelLift):
    view = lifted.view(CAMERA)
    found = view.of_pixels(EVERY).embedding(torch.full((256,), 0.2) * view.distance_scene.nan_to_num(1.0, posinf=1.0))
    columns = torch.arange(256) % 16
    inside = (columns < 6) | (columns > 9)  # a voxel at the border hears both
    said = torch.where((columns < 8)[:, None], LEFT, RIGHT)
    heard = inside & (found.norm(dim=-1) > 0)
    assert heard.sum() > 0.5 * inside.sum()
    agreement = (found * said).sum(dim=-1)[heard]
    assert agreement.median() > 0.95
    assert (agreement > 0.7).float().mean() > 0.9


def test_asking_the_codes_and_asking_embeddings_agree_where_codes_agree(lifted: VoxelLift):
    phrases = EncodedPhrases(("left", "right"), torch.stack([LEFT, RIGHT]), torch.eye(4)[2:], 10.0)
    view = lifted.view(CAMERA)
    scale = torch.full((256,), 0.2)
    plain = phrases.relevancy(view.of_pixels(EVERY).embedding(scale))
    coded = VoxelPixels(lifted, view.samples).relevancy_at(scale)(lifted.prepare_phrases(phrases))
    rows, weights = lifted.mix(view.samples, scale)
    spread = torch.zeros(256)
    for ray in range(256):  # how far the codes that a ray reads are from each other
        read = lifted.codes[rows[view.samples.ray == ray][weights[view.samples.ray == ray] > 0]].float()
        spread[ray] = (read @ read.T).min() if len(read) else 0.0
    same = spread > 0.999
    assert int(same.sum()) > 50
    torch.testing.assert_close(coded[same], plain[same], rtol=0, atol=5e-3)


def test_a_place_that_nothing_was_lifted_to_is_not_relevant(lifted: VoxelLift):
    phrases = EncodedPhrases(("left",), LEFT[None], torch.eye(4)[2:], 10.0)
    samples = replace(
        lifted.view(CAMERA).samples, points=torch.full((1, 3), 50.0), weights=torch.ones(1),
        ray=torch.zeros(1, dtype=torch.int64), rays=1,
    )  # fmt: skip
    assert float(VoxelPixels(lifted, samples).relevancy_at(torch.ones(1))(lifted.prepare_phrases(phrases))) == 0.0
    assert not lifted.embed(samples, torch.ones(1)).any()


def test_language_changes_neither_colour_nor_geometry(lifted: VoxelLift):
    before = lifted.render(CAMERA)
    lifted.lift(lambda: iter([photo()]))
    after = lifted.render(CAMERA)
    assert before.rgb is not None
    assert after.rgb is not None
    assert torch.equal(before.rgb, after.rgb)


def test_the_state_is_loaded_into_a_fresh_method(lifted: VoxelLift):
    fresh = VoxelLift(TINY, CONTEXT)
    fresh.load_state_dict(lifted.state_dict())
    view = lifted.view(CAMERA)
    scale = torch.full((256,), 0.3)
    assert torch.equal(fresh.embed(view.samples, scale), lifted.embed(view.samples, scale))


def test_training_on_drops_the_language_of_the_old_surface(lifted: VoxelLift):
    model = VoxelLift(TINY, CONTEXT)
    model.load_state_dict(lifted.state_dict())
    assert len(model.codes)
    model.loss(batch(0), 3)
    assert not len(model.codes)
