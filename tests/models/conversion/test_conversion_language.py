"""What is coded is what the field says of an element at each of its scales."""

import pytest
import torch
from tests.models.conversion.ball_field import BallField, cameras, observed_scales

from langfield.core.errors import RunError
from langfield.core.progress import ProgressEvent
from langfield.models.conversion import language
from langfield.models.conversion.elements import SurfaceElements, gather_elements
from langfield.models.conversion.language import code_language
from langfield.models.conversion.surface_observations import CropSizedVoxels, observe_surface
from langfield.renderers.volume import SurfaceSamples


@pytest.fixture(scope="module")
def elements() -> SurfaceElements:
    voxels = CropSizedVoxels(observed_scales())
    return gather_elements(observe_surface(BallField(), cameras(6, 48, 36), voxels), voxels, 600)[0]


def said(elements: SurfaceElements, angle: float) -> torch.Tensor:
    return BallField().embed(elements.samples, angle * elements.distance)


def test_a_baked_embedding_is_the_fields_at_its_own_scale(elements: SurfaceElements):
    angles = torch.tensor([0.1, 0.2, 0.5])
    found, cosine = code_language(BallField(), elements, angles, codes=64)
    every = torch.arange(len(elements))
    cosines = torch.stack(
        [(found.embedding(every, level) * said(elements, float(a))).sum(-1) for level, a in enumerate(angles)]
    )
    assert cosines.min() > 0.99
    assert cosine == pytest.approx(float(cosines.mean()), abs=1e-4)
    # The wrong level's embedding is another one.
    assert (found.embedding(every, 0) * said(elements, 0.5)).sum(-1).mean() < 0.97
    torch.testing.assert_close(found.distance, elements.distance.half())
    torch.testing.assert_close(found.crop_angles, angles)
    assert found.seen.all()


def test_as_many_codes_as_there_are_embeddings_are_exact(elements: SurfaceElements):
    class Flat(BallField):
        """Three different embeddings in all."""

        def embed(self, samples, scale_scene, features=None):
            kind = (samples.points[:, 0] > 0).long() + (scale_scene[samples.ray] > 0.3)
            total = torch.zeros(samples.rays, 3).index_add_(0, samples.ray, torch.eye(3)[kind])
            return torch.eye(3)[total.argmax(dim=-1)]

    found, cosine = code_language(Flat(), elements, torch.tensor([0.1, 0.5]), codes=8)
    assert len(found.codebook) == 3
    assert cosine == pytest.approx(1, abs=1e-5)
    wanted = Flat().embed(elements.samples, 0.5 * elements.distance)
    torch.testing.assert_close(found.embedding(torch.arange(len(elements)), 1), wanted, atol=1e-3, rtol=0)


def test_chunks_change_nothing(elements: SurfaceElements, monkeypatch: pytest.MonkeyPatch):
    angles = torch.tensor([0.1, 0.4])
    codebook = code_language(BallField(), elements, angles, codes=32)[0].codebook.float()
    monkeypatch.setattr(language, "learn_codebook", lambda batches, size, passes: codebook)
    whole, cosine = code_language(BallField(), elements, angles, codes=32)
    monkeypatch.setattr(language, "_ELEMENTS_AT_ONCE", 7)
    parts, again = code_language(BallField(), elements, angles, codes=32)
    every = torch.arange(len(elements))
    for level in range(2):
        torch.testing.assert_close(whole.embedding(every, level), parts.embedding(every, level), atol=2e-3, rtol=0)
    assert cosine == pytest.approx(again, abs=1e-5)


def test_only_a_chunk_is_ever_embedded_at_once(elements: SurfaceElements, monkeypatch: pytest.MonkeyPatch):
    widest = 0

    class Counted(BallField):
        def embed(self, samples, scale_scene, features=None):
            nonlocal widest
            widest = max(widest, samples.rays)
            return super().embed(samples, scale_scene, features)

    monkeypatch.setattr(language, "_ELEMENTS_AT_ONCE", 50)
    code_language(Counted(), elements, torch.tensor([0.1, 0.4]), codes=32)
    assert widest == 50


def test_what_the_field_says_nothing_of_is_not_answered_for(elements: SurfaceElements):
    class Half(BallField):
        def embed(self, samples, scale_scene, features=None):
            right = torch.zeros(samples.rays, 1).index_add_(0, samples.ray, (samples.points[:, :1] > 0).float())
            return super().embed(samples, scale_scene, features) * (right > 0)

    found, cosine = code_language(Half(), elements, torch.tensor([0.1, 0.4]), codes=64)
    right = Half().embed(elements.samples, elements.distance).any(dim=-1)
    assert torch.equal(found.seen, right)
    assert cosine > 0.99
    with pytest.raises(RunError, match="has no language on the surfaces"):
        code_language(BallField(mute=True), elements, torch.tensor([0.1, 0.4]))


def test_progress_ends_at_its_total(elements: SurfaceElements):
    events: list[ProgressEvent] = []
    code_language(BallField(), elements, torch.tensor([0.1, 0.4]), events.append, codes=16)
    done = [event.done for event in events]
    assert done == sorted(done)
    assert events[-1].done == events[-1].total


def test_samples_of_some_elements_are_theirs():
    samples = SurfaceSamples(torch.arange(18.0).reshape(6, 3), torch.ones(6), torch.tensor([0, 0, 2, 3, 3, 5]), 6)
    part = language._of_elements(samples, torch.tensor([2, 3, 4]))
    assert part.rays == 3
    assert part.ray.tolist() == [0, 1, 1]
    assert torch.equal(part.points, samples.points[2:5])
