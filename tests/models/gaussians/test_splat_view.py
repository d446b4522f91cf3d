"""A view of Gaussians draws what it is asked for, from one projection; what no camera changes is worked out once."""

import numpy as np
import pytest
import torch

from langfield.core.cameras import Camera
from langfield.fields.gaussians import GaussianConfig
from langfield.fields.language_map import LanguageMap
from langfield.models.config import ModelContext
from langfield.models.gaussians import element_relevancy
from langfield.models.gaussians.splat import Splat, SplatConfig
from langfield.models.relevancy import EncodedPhrases

COUNT = 300


@pytest.fixture
def model() -> Splat:
    """A cloud of Gaussians with language of four codes at three levels."""
    generator, rng = torch.Generator().manual_seed(0), np.random.default_rng(0)
    made = Splat(SplatConfig(GaussianConfig(capacity=COUNT)), ModelContext(photos=1, target_dims={"embedding": 8}))
    made.gaussians.init_from_points(rng.uniform(-0.5, 0.5, (COUNT, 3)), rng.uniform(0, 1, (COUNT, 3)))
    with torch.no_grad():
        made.gaussians.log_scales[:] = -3.0
    code = torch.randint(0, 4, (COUNT, 3, 2), generator=generator).to(torch.int16)
    codebook = torch.nn.functional.normalize(torch.randn(4, 8, generator=generator), dim=-1).half()
    share, distance = torch.full((COUNT, 3, 2), 0.5).half(), torch.ones(COUNT).half()
    made.language = LanguageMap(codebook, code, share, distance, torch.tensor([0.1, 0.2, 0.4]))
    return made


def phrases(prepared_by: Splat) -> EncodedPhrases:
    unit = torch.nn.functional.normalize(torch.randn(4, 8, generator=torch.Generator().manual_seed(1)), dim=-1)
    return prepared_by.prepare_phrases(EncodedPhrases(("a", "b"), unit[:2], unit[2:], 10.0))


def camera(x: float = 0.0) -> Camera:
    pose = np.eye(4)
    pose[:3, 3] = x, 0, -2
    return Camera(pose, 40, 30, 38.0, 38.0, 20.0, 15.0)


def counted(monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> list[str]:
    calls: list[str] = []
    function = getattr(owner, name)

    def counting(*args, **kwargs):
        calls.append(name)
        return function(*args, **kwargs)

    monkeypatch.setattr(owner, name, counting)
    return calls


def test_one_projection_serves_all_and_colours_are_drawn_when_asked_for(model: Splat, monkeypatch: pytest.MonkeyPatch):
    projected, coloured = counted(monkeypatch, Splat, "project"), counted(monkeypatch, Splat, "render_projected")
    view, asked = model.view(camera()), phrases(model)
    view.quick_relevancy(asked)
    assert coloured == []
    assert view.rendered is view.rendered
    assert view.level_relevancy(asked).shape == (3, 2, 1200)
    assert view.points_scene.shape == (1200, 3)
    assert projected == ["project"]
    assert coloured == ["render_projected"]


def test_a_second_picture_is_the_first_without_what_is_out_of_view(model: Splat):
    view, asked = model.view(camera(1.0)), phrases(model)
    first, second = view.quick_relevancy(asked), view.quick_relevancy(asked)
    assert len(view.seen.code) < COUNT
    torch.testing.assert_close(second, first, rtol=0, atol=1e-6)
    torch.testing.assert_close(
        view.level_relevancy(asked), model.view(camera(1.0)).level_relevancy(asked), rtol=0, atol=1e-6
    )


def test_relevancy_of_gaussians_is_worked_out_once_for_all_cameras(model: Splat, monkeypatch: pytest.MonkeyPatch):
    worked_out = counted(monkeypatch, element_relevancy, "sparse_relevancy")
    asked, never_prepared = phrases(model), phrases(model)
    for x in (0.0, 0.1, 0.2):
        model.view(camera(x)).quick_relevancy(asked)
    assert len(worked_out) == 1
    never_prepared = EncodedPhrases(
        never_prepared.texts, never_prepared.embeddings, never_prepared.negatives, never_prepared.temperature
    )
    for x in (0.0, 0.1):
        same = model.view(camera(x)).quick_relevancy(never_prepared)
        torch.testing.assert_close(same, model.view(camera(x)).quick_relevancy(asked))
    assert len(worked_out) == 3


def test_other_language_is_asked_anew(model: Splat):
    asked = phrases(model)
    before = model.view(camera()).quick_relevancy(asked)
    old = model.language
    model.language = LanguageMap(old.codebook, (old.code + 1) % 4, old.share.clone(), old.distance, old.crop_angles)
    after = model.view(camera()).quick_relevancy(asked)
    torch.testing.assert_close(after, model.view(camera()).quick_relevancy(phrases(model)))
    assert (after - before).abs().max() > 0.01


def test_depth_alone_is_rendered_without_colours(model: Splat):
    whole, depth = model.render(camera()), model.render(camera(), ("depth",))
    assert depth.rgb is None
    assert whole.depth_scene is not None
    torch.testing.assert_close(depth.depth_scene, whole.depth_scene)
