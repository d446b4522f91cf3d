"""Photos to Gaussians that answer: coloured balls, an encoder that sees colours, a view that no photo shows."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image
from tests.data.scenes import draw, write_ball_scene
from tests.models.gaussians.test_splat import CONFIG, begin
from tests.models.voxels.test_voxel_lifting import COLOURS, ColourEncoder

from langfield.core.observed_scales import ObservedScales
from langfield.data.scene import open_scene
from langfield.data.views import Scene
from langfield.features.bank import build_features
from langfield.features.photos import TrainingPhotos
from langfield.features.pyramid import PyramidRecipe
from langfield.models.config import ModelContext
from langfield.models.gaussians.lifting import lift_language, lift_weights
from langfield.models.gaussians.splat import LiftingConfig, Splat
from langfield.models.gaussians.view import SplatView
from langfield.models.relevancy import EncodedPhrases
from langfield.query.crop_levels import relevancy_at_crop_levels
from langfield.renderers.splat import CameraProjection
from langfield.training.config import TrainingConfig
from langfield.training.loop import train
from langfield.training.photos import PhotoSource

RATIOS = (0.15, 0.3)
SPLAT = replace(CONFIG, lifting=LiftingConfig(codes=12, side_px=48, min_contribution=0.2))


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("balls")
    written = write_ball_scene(folder / "scene", n_views=25, width_px=64, height_px=48, n_points=800)
    scene = open_scene(folder / "scene")
    torch.manual_seed(0)
    model = Splat(SPLAT, ModelContext(photos=len(scene.train), target_dims={"embedding": 4}))
    begin(model, scene)
    with PhotoSource(scene, scene.train, "cpu", 2**30, 0) as photos:
        train(model, photos, TrainingConfig(steps=150, bf16=False))
    encoder = ColourEncoder()
    bank = build_features(scene, scene.train, encoder, recipe=PyramidRecipe(RATIOS, 0.5), cache_dir=folder / "cache")
    told = []
    lift_language(model, TrainingPhotos(scene, scene.train), bank.pyramid, told.append)
    done = [event.done for event in told]
    assert done == sorted(set(done))
    assert done[-1] == told[-1].total == len(scene.train) * (1 + len(RATIOS))
    return written, scene, model, encoder, bank.pyramid


def test_tiles_about_a_point_are_what_sampling_takes_the_mean_of(asked):
    _, scene, _, _, pyramid = asked
    xy = torch.rand(50, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([64.0, 48.0])
    for level in range(len(RATIOS)):
        rows, weights = pyramid.tiles_about(scene.train[3], xy, level)
        first = pyramid.first_row[pyramid.photo_of_view[scene.train[3]], level]
        mean = (pyramid.rows[first + rows].float() * weights[:, :, None]).sum(dim=1)
        index = torch.full((50,), scene.train[3])
        torch.testing.assert_close(mean, pyramid.sample(index, xy, torch.full((50,), float(level))), atol=1e-5, rtol=0)
        torch.testing.assert_close(weights.sum(dim=1), torch.ones(50))


def test_backprojecting_is_the_transpose_of_splatting(asked):
    _, scene, model, *_ = asked
    camera = scene.views[scene.train[0]].camera.moved(scene.scene_from_world)
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(model.gaussians.count, 3, generator=generator)
    values = torch.randn(48, 64, 3, generator=generator)
    with torch.no_grad():
        there = (model.project(camera).splat(features).features * values).sum()
        back = (model.project(camera).backproject(values) * features).sum()
    torch.testing.assert_close(there, back, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("colour", COLOURS)
def test_the_most_relevant_pixels_of_an_unseen_view_are_on_the_ball(asked, colour: str):
    written, scene, model, encoder, _ = asked
    phrases = EncodedPhrases((colour,), encoder.encode_texts([colour]), encoder.encode_texts(["object"]), 10.0)
    right = []
    for index in scene.test[1:]:
        _, ids, _ = draw(written.cameras[index])
        wanted = ids == COLOURS.index(colour)
        if wanted.sum() < 30:
            continue
        view = model.view(scene.views[index].camera.moved(scene.scene_from_world))
        scale = torch.full((view.pixel_count,), 0.15 * scene.scene_from_world.scale)
        relevancy = view.relevancy(phrases, scale)[0].numpy()
        right.append(
            bool(wanted.flat[np.argmax(relevancy)]) and relevancy[wanted].mean() > 2 * relevancy[~wanted].mean()
        )
    assert right
    assert np.mean(right) >= 0.6, right


def test_language_is_small_and_loaded_again(asked):
    _, scene, model, encoder, _ = asked
    language = model.language
    assert language.code.shape == (model.gaussians.count, len(RATIOS), 4)
    assert language.seen.float().mean() > 0.5
    fresh = Splat(SPLAT, model.context)
    fresh.load_state_dict(model.state_dict())
    camera = scene.views[0].camera.moved(scene.scene_from_world)
    phrases = EncodedPhrases(("red",), encoder.encode_texts(["red"]), encoder.encode_texts(["object"]), 10.0)
    views = [each.view(camera) for each in (model, fresh)]
    assert torch.equal(views[0].level_relevancy(phrases), views[1].level_relevancy(phrases))


def test_what_was_splatted_is_asked_again_without_splatting(asked, monkeypatch):
    _, scene, model, encoder, _ = asked
    view = model.view(scene.views[0].camera.moved(scene.scene_from_world))
    negatives = encoder.encode_texts(["object"])
    phrases = EncodedPhrases(("red", "green"), encoder.encode_texts(["red", "green"]), negatives, 10.0)
    both, splats, blend = view.level_relevancy(phrases), [], CameraProjection.blend
    monkeypatch.setattr(CameraProjection, "blend", lambda *arguments: splats.append(1) or blend(*arguments))
    again = replace(phrases, negatives=negatives.clone())
    assert torch.equal(view.level_relevancy(again[1:])[:, 0], both[:, 1])
    assert not splats
    other = view.level_relevancy(replace(phrases, negatives=encoder.encode_texts(["red"])))
    assert splats
    assert not torch.equal(other, both)
    torch.testing.assert_close(view.level_relevancy(phrases[:1])[:, 0], both[:, 0])


def test_only_phrases_that_are_new_are_splatted(asked, monkeypatch):
    """And each of a picture's phrases once, whatever levels they are asked at."""
    _, scene, model, encoder, _ = asked
    view = model.view(scene.views[0].camera.moved(scene.scene_from_world))
    negatives, drawn, splatted = encoder.encode_texts(["object"]), [], SplatView._splatted
    monkeypatch.setattr(SplatView, "_splatted", lambda own, asked: drawn.extend(asked.texts) or splatted(own, asked))
    seen = ObservedScales.between(*model.language.crop_angles.tolist(), torch.zeros(1, 3))
    phrases = EncodedPhrases(COLOURS, encoder.encode_texts(COLOURS), negatives, 10.0)
    level = torch.arange(len(COLOURS)) % len(seen.crop_angles)
    found, _ = relevancy_at_crop_levels(view, phrases, seen, level)
    assert sorted(drawn) == sorted(COLOURS)
    view.level_relevancy(phrases)
    assert len(drawn) == len(COLOURS)
    alone, _ = relevancy_at_crop_levels(view, phrases[1:2], seen, level[1:2])
    torch.testing.assert_close(alone[0], found[1])
    more = EncodedPhrases((COLOURS[0], "new"), encoder.encode_texts([COLOURS[0], COLOURS[1]]), negatives, 10.0)
    view.level_relevancy(more)
    assert drawn[len(COLOURS) :] == ["new"]


def test_codes_through_a_distorting_lens_are_the_features_through_it(asked):
    _, scene, model, *_ = asked
    camera = scene.views[scene.train[0]].camera.moved(scene.scene_from_world)
    distorted = replace(camera, distortion=(-0.2, 0.03, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0))
    language = model.language
    dense = torch.zeros(model.gaussians.count, len(language.codebook))
    dense.scatter_add_(1, language.code[:, 0].long(), language.share[:, 0].float())
    projection = model.project(distorted)
    found = projection.splat_codes(language.code[:, 0], language.share[:, 0], len(language.codebook))
    torch.testing.assert_close(found, projection.blend(dense)[0], rtol=1e-4, atol=1e-5)


def test_pixels_between_levels_are_between_them(asked):
    _, scene, model, encoder, _ = asked
    view = model.view(scene.views[scene.train[5]].camera.moved(scene.scene_from_world))
    phrases = EncodedPhrases(("red",), encoder.encode_texts(["red"]), encoder.encode_texts(["object"]), 10.0)
    levels = view.level_relevancy(phrases)[:, 0]
    small, large = (view.typical_distance * angle for angle in model.language.crop_angles)
    every = torch.arange(view.pixel_count)
    asked_at = partial(view.of_pixels(every).relevancy_at)
    torch.testing.assert_close(asked_at(small * 0.5)(phrases)[:, 0], levels[0])
    torch.testing.assert_close(asked_at(large * 2)(phrases)[:, 0], levels[1])
    middle = asked_at((small * large).sqrt())(phrases)[:, 0]
    torch.testing.assert_close(middle, levels.mean(dim=0), atol=1e-4, rtol=1e-3)
    assert torch.equal(view.relevancy(phrases, small)[0].flatten(), asked_at(small)(phrases)[:, 0])


def test_training_on_drops_the_language(asked):
    _, scene, model, *_ = asked
    fresh = Splat(SPLAT, model.context)
    fresh.load_state_dict(model.state_dict())
    with PhotoSource(scene, scene.train, "cpu", 2**30, 0) as photos:
        fresh.loss(photos.batch(0), 0)
    assert not len(fresh.language.code)


def test_photos_lifted_together_are_the_sum_of_each_alone(asked, tmp_path):
    """Those of one camera share what their pixels say; a lens, a mask or a grid of crops of its own is heeded."""
    _, scene, model, _, pyramid = asked
    views, chosen = list(scene.views), list(scene.train[:5])
    lens = (-0.2, 0.03, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    views[chosen[1]] = replace(views[chosen[1]], camera=replace(views[chosen[1]].camera, distortion=lens))
    mask = np.zeros((48, 64), np.uint8)
    mask[:, 20:] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    views[chosen[3]] = replace(views[chosen[3]], mask_path=tmp_path / "mask.png")
    mixed = replace(scene, views=tuple(views))
    pyramid = replace(pyramid, stride_px=pyramid.stride_px.clone())
    pyramid.stride_px[pyramid.photo_of_view[chosen[4]]] *= 0.7  # as of a photo of another size

    def sums(of_scene: Scene, indices: list[int]) -> tuple[torch.Tensor, ...]:
        lifted = lift_weights(model, TrainingPhotos(of_scene, indices), pyramid)
        return (*lifted.weights, lifted.contribution)

    together, alone = sums(mixed, [*reversed(chosen)]), [sums(mixed, [index]) for index in chosen]
    for whole, *parts in zip(together, *alone, strict=True):
        assert all(part.norm() > 1 for part in parts)
        torch.testing.assert_close(sum(parts), whole, rtol=1e-4, atol=1e-4)
    assert sums(scene, [chosen[3]])[-1].sum() > 1.2 * alone[3][-1].sum()
