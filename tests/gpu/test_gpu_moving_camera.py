"""A moving camera on a GPU: what stays there is what a CPU answers, and how often a frame waits for the device."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from tests.query.index.test_voxel_search import surface

from langfield.core.cameras import Camera
from langfield.core.devices import to_host
from langfield.fields.gaussians import GaussianConfig
from langfield.fields.language_map import LanguageMap
from langfield.models.config import ModelContext
from langfield.models.gaussians.splat import Splat, SplatConfig
from langfield.models.relevancy import EncodedPhrases
from langfield.ops.median_distance import median_distance, reference
from langfield.query import frames
from langfield.query.answers import ViewAnswers, ViewTensors


def model(count: int = 3000) -> Splat:
    """A cloud of Gaussians with language of four codes at three levels."""
    generator = torch.Generator().manual_seed(0)
    made = Splat(SplatConfig(GaussianConfig(capacity=count)), ModelContext(photos=1, target_dims={"embedding": 8}))
    rng = np.random.default_rng(0)
    made.gaussians.init_from_points(rng.uniform(-0.5, 0.5, (count, 3)), rng.uniform(0, 1, (count, 3)))
    with torch.no_grad():
        made.gaussians.log_scales[:] = -3.5
    code = torch.randint(0, 4, (count, 3, 2), generator=generator).to(torch.int16)
    share = torch.full((count, 3, 2), 0.5).half()
    codebook = torch.nn.functional.normalize(torch.randn(4, 8, generator=generator), dim=-1).half()
    made.language = LanguageMap(codebook, code, share, torch.ones(count).half(), torch.tensor([0.1, 0.2, 0.4]))
    return made


def camera(x: float = 0.0) -> Camera:
    pose = np.eye(4)
    pose[:3, 3] = x, 0, -2
    return Camera(pose, 160, 120, 150.0, 150.0, 80.0, 60.0)


def phrases(made: Splat, device: str) -> EncodedPhrases:
    unit = torch.nn.functional.normalize(torch.randn(4, 8, generator=torch.Generator().manual_seed(1)), dim=-1)
    return made.prepare_phrases(EncodedPhrases(("a", "b"), unit[:2].to(device), unit[2:].to(device), 10.0))


def test_a_first_picture_is_the_cpus_and_a_second_one_of_what_is_seen_the_same():
    on_cpu, on_gpu = model(), model().cuda()
    for x in (0.0, 0.3):
        expected = on_cpu.view(camera(x)).quick_relevancy(phrases(on_cpu, "cpu"))
        view = on_gpu.view(camera(x))
        asked = phrases(on_gpu, "cuda")
        first, second = view.quick_relevancy(asked), view.quick_relevancy(asked)
        torch.testing.assert_close(first.cpu(), expected, rtol=0, atol=2e-3)
        torch.testing.assert_close(second, first, rtol=0, atol=2e-3)
        levels = view.level_relevancy(asked)
        fresh = on_gpu.view(camera(x)).level_relevancy(asked)
        torch.testing.assert_close(levels, fresh, rtol=0, atol=2e-3)


def test_what_is_kept_with_a_question_is_of_the_language_that_it_was_asked_with():
    made = model().cuda()
    asked = phrases(made, "cuda")
    before = made.view(camera()).quick_relevancy(asked)
    language = made.language
    code = (language.code + 1) % 4
    made.language = LanguageMap(
        language.codebook, code, language.share.clone(), language.distance, language.crop_angles
    ).cuda()
    after = made.view(camera()).quick_relevancy(asked)
    torch.testing.assert_close(after, made.view(camera()).quick_relevancy(phrases(made, "cuda")))
    assert (after - before).abs().max() > 0.01


@pytest.mark.parametrize(("points", "places"), [(1, 1), (1000, 2), (5003, 31), (70_001, 32), (100, 64), (100, 65)])
def test_median_distances_are_the_references(points: int, places: int):
    generator = torch.Generator(device="cuda").manual_seed(places)
    given = [torch.randn(n, 3, generator=generator, device="cuda") for n in (points, places)]
    expected = reference.median_distance(*(values.double() for values in given)).float()
    torch.testing.assert_close(median_distance(*given), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("count", "side", "spread"), [(3000, 0.05, 2.0), (400, 0.02, 1.0), (2, 0.5, 1.0)])
def test_the_surface_reads_the_same_on_a_gpu(count: int, side: float, spread: float):
    voxels = surface(count, side, spread)
    rng = np.random.default_rng(0)
    points = np.concatenate([voxels.points_scene + rng.normal(0, side, voxels.points_scene.shape), [[np.inf] * 3]])
    values = torch.from_numpy(rng.normal(size=(len(voxels), 2)))
    on_cpu = voxels.read_at(torch.from_numpy(points))
    on_gpu = voxels.read_at(torch.from_numpy(points).float().cuda())
    same = on_cpu.near == on_gpu.near.cpu()  # at the border by rounding
    assert same.float().mean() > 0.995
    torch.testing.assert_close(on_gpu(values.cuda()).cpu()[same], on_cpu(values)[same], rtol=0, atol=5e-3)


def test_a_jpeg_that_the_gpu_encoded_is_the_picture():
    """Also of a size that is no multiple of eight; and PIL's, where torchvision has no nvJPEG."""
    rows, columns = torch.meshgrid(torch.arange(125, device="cuda"), torch.arange(163, device="cuda"), indexing="ij")
    rgb = torch.stack([rows * 2, columns, rows + columns], dim=-1).clamp(0, 255).to(torch.uint8)
    shown = np.asarray(Image.open(io.BytesIO(frames.encode_jpeg(rgb, 95))).convert("RGB"))
    assert shown.shape == (125, 163, 3)
    assert np.abs(shown.astype(int) - rgb.cpu().numpy().astype(int)).mean() < 2


def test_frames_are_coloured_as_on_a_cpu():
    generator = torch.Generator().manual_seed(0)
    relevancy = torch.rand(48, 64, generator=generator)
    rgb = torch.randint(0, 256, (48, 64, 3), generator=generator).to(torch.uint8)
    for of in (
        lambda device: frames.turbo_colours(relevancy.to(device)),
        lambda device: frames.relevancy_over(rgb.to(device), relevancy.to(device)),
        lambda device: frames.depth_colours(relevancy.to(device)),
    ):
        assert (of("cuda").cpu().int() - of("cpu").int()).abs().max() <= 1


def test_arrays_of_tensors_on_a_gpu_are_their_values():
    tensors = torch.arange(6, device="cuda").reshape(2, 3), torch.rand(4, device="cuda"), torch.ones(2).bool()
    arrays = to_host(*tensors)
    for array, tensor in zip(arrays, tensors, strict=True):
        np.testing.assert_array_equal(array, tensor.cpu().numpy())
    kept = to_host(tensors[1])[0].copy()
    first = to_host(tensors[1])[0]
    to_host(tensors[1] + 1)  # takes other memory while the first array is there
    np.testing.assert_array_equal(first, kept)


def test_answers_leave_the_gpu_when_they_are_read():
    shape = (2, 6, 8)
    tensors = ViewTensors(
        rgb=torch.full((6, 8, 3), 7, dtype=torch.uint8, device="cuda"),
        depth_world=torch.ones(6, 8, device="cuda"),
        relevancy=torch.rand(shape, device="cuda"),
        refined=torch.rand(shape, device="cuda"),
        masks=torch.ones(shape, dtype=torch.bool, device="cuda"),
        scale_world=torch.ones(shape, device="cuda"),
        best_xy_px=torch.ones(2, 2, dtype=torch.float64, device="cuda"),
        score=torch.ones(2, dtype=torch.float64, device="cuda"),
    )
    answers = ViewAnswers.of_tensors(("a", "b"), tensors)
    assert "masks" not in vars(answers)
    np.testing.assert_array_equal(answers.relevancy, tensors.relevancy.cpu().numpy())
    assert answers.masks is answers.masks
    assert answers.note is None
    changed = replace(answers, note="seen")
    np.testing.assert_array_equal(changed.rgb, answers.rgb)
    assert not hasattr(answers, "nothing")
