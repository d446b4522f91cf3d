"""gsplat's kernels on a GPU against the torch reference, which works in float64 on the CPU."""

from dataclasses import replace

import pytest
import torch
from tests.ops.gaussians.gaussian_scenes import (
    BROKEN,
    Gaussians,
    draw,
    nothing_seen,
    random_scene,
    several,
    stacked,
    trainable,
    weighed,
)
from torch import Tensor

from langfield.ops.gaussians.rasterize import blend_views, project
from langfield.ops.gaussians.well_formed import well_formed

if torch.cuda.is_available():  # they import Triton
    from langfield.ops.gaussians import rasterize_gsplat, well_formed_triton


def on_gpu(gaussians: Gaussians) -> Gaussians:
    return [x.detach().float().cuda().requires_grad_() for x in gaussians]


def assert_near(ours: Tensor | None, theirs: Tensor | None, error: float, what: str) -> None:
    assert ours is not None
    assert theirs is not None
    assert ours.isfinite().all(), what
    difference = (ours.cpu().double() - theirs).norm() / theirs.norm()
    assert difference <= error, f"{what}: {difference:.1e}"


@pytest.mark.parametrize("channels", [1, 3, 6, 7, 32, 33, 64, 100])
def test_values_and_gradients_are_the_references(channels: int):
    """Kernels round to float32 and take fast exponentials; what lies at a threshold may fall on either side of it."""
    gaussians, camera = random_scene(200, channels, seed=5)
    camera = camera.resized(111, 63)
    fast, slow = on_gpu(gaussians), trainable(gaussians)
    a, b = draw(fast, camera), draw(slow, camera)
    assert a.features.shape == (63, 111, channels)
    assert a.features.is_cuda
    assert_near(a.features, b.features, 1e-3, "features")
    assert_near(a.alpha, b.alpha, 1e-3, "alpha")
    hit = b.alpha > 0.1
    assert_near(a.depth.cpu()[hit], b.depth[hit], 1e-3, "depth")
    assert (a.depth.isinf() == (a.alpha == 0)).all()
    weighed(a).backward()
    weighed(b).backward()
    for name, x, y in zip(("means", "rotations", "scales", "opacities", "features"), fast, slow, strict=True):
        assert_near(x.grad, y.grad, 1e-2, name)


@pytest.mark.parametrize("case", BROKEN)
def test_broken_gaussians_are_left_out_and_get_no_gradient(case: str):
    good, camera = random_scene(30, 3, dtype=torch.float32)
    bad = [x[:10].clone() for x in good]
    BROKEN[case](bad)
    both = on_gpu(stacked(bad, good))
    alone = trainable([x.double() for x in good])
    a, b = draw(both, camera), draw(alone, camera)
    assert_near(a.features, b.features, 1e-3, "features")
    weighed(a).backward()
    weighed(b).backward()
    for x, y in zip(both, alone, strict=True):
        assert x.grad is not None
        assert not x.grad[:10].any()
        assert_near(x.grad[10:], y.grad, 1e-2, case)


@pytest.mark.parametrize("case", ["none", "behind", "transparent"])
def test_a_picture_of_nothing_is_empty_and_has_no_gradient(case: str):
    (means, rotations, scales, opacities, features), camera = random_scene(20, 3)
    if case == "behind":
        means = torch.tensor(camera.world_from_camera[:3, 3] - 5 * camera.world_from_camera[:3, 2]).expand(20, 3)
    elif case == "transparent":
        opacities = 0 * opacities
    gaussians = on_gpu([x[: 0 if case == "none" else 20] for x in (means, rotations, scales, opacities, features)])
    picture = draw(gaussians, camera)
    assert picture.features.is_cuda
    assert nothing_seen(picture)
    (picture.features.sum() + picture.alpha.sum()).backward()
    for x in gaussians:
        assert x.grad is not None
        assert not x.grad.any()


@pytest.mark.parametrize("views", [2, 3])
def test_several_cameras_and_their_centres_are_the_references(views: int):
    """Two cameras of one size are drawn at once, a third one of another size makes them three calls."""
    (*shape, features), cameras = several(200)
    fast = on_gpu([*shape, features[:views]])
    slow = trainable([*shape, features[:views]])
    ours = blend_views(*fast, cameras[:views], keep_means2d=True)
    theirs = blend_views(*slow, cameras[:views], keep_means2d=True)
    torch.stack([weighed(picture) for picture in ours]).mean().backward()
    torch.stack([weighed(picture) for picture in theirs]).mean().backward()
    for a, b in zip(ours, theirs, strict=True):
        assert_near(a.features, b.features, 1e-3, "features")
        assert a.means2d is not None
        assert b.means2d is not None
        assert a.means2d.size_px == b.means2d.size_px
        assert_near(a.means2d.grad2d(), b.means2d.grad2d(), 1e-2, "gradients by the centres")
        assert_near(a.means2d.radii_px, b.means2d.radii_px, 5e-2, "radii")
    for x, y in zip(fast, slow, strict=True):
        assert_near(x.grad, y.grad, 1e-2, "gradient")


def test_without_channels_there_is_alpha_and_depth():
    gaussians, camera = random_scene(40, 0)
    picture = draw(on_gpu(gaussians), camera)
    assert picture.features.shape == (21, 37, 0)
    assert_near(picture.alpha, draw(gaussians, camera).alpha, 1e-3, "alpha")


def test_autocast_changes_nothing():
    gaussians, camera = random_scene(40, 3)
    plain = draw(on_gpu(gaussians), camera)
    with torch.autocast("cuda", dtype=torch.bfloat16):
        inside = draw(on_gpu(gaussians), camera)
    assert torch.equal(inside.features, plain.features)
    assert torch.equal(inside.alpha, plain.alpha)


@pytest.mark.parametrize("tile_px", [8, 16])
def test_one_projection_is_drawn_with_any_features_and_without_some(tile_px: int):
    gaussians, camera = random_scene(200, 70, seed=6)
    camera = camera.resized(111, 63)
    fast = on_gpu(gaussians)
    projected = rasterize_gsplat.project(*fast[:4], camera, tile_px=tile_px)
    reference = project(*gaussians[:4], camera)
    assert projected.pairs > 200
    for channels in (1, 10, 70):
        found, alpha = projected.blend(fast[4][:, :channels].detach())
        expected, expected_alpha = reference.blend(gaussians[4][:, :channels])
        assert_near(found, expected, 1e-3, f"{channels} channels")
        assert_near(alpha, expected_alpha, 1e-3, "alpha")
    assert_near(projected.contributions(), reference.contributions().double(), 1e-2, "contributions")
    for kept in (torch.arange(1, 200, 3), torch.tensor([50, 7, 130, 8]), reference.in_view()):
        part = gaussians[4][kept]
        fewer = projected.subset(kept.cuda())
        assert_near(fewer.blend(part.float().cuda())[0], reference.subset(kept).blend(part)[0], 1e-3, "only some")
    none = torch.arange(0, device="cuda")
    assert nothing_seen(projected.subset(none).splat(fast[4][none].detach()))


@pytest.mark.parametrize("case", BROKEN)
def test_the_kernel_finds_the_same_well_formed(case: str):
    gaussians, camera = random_scene(300, 3, dtype=torch.float32)
    bad = [x[:100].clone() for x in gaussians]
    BROKEN[case](bad)
    both = [x.cuda() for x in stacked(bad, gaussians)]
    *shape, features = both
    beside = replace(camera, cx_px=-20.0)
    for cameras in ([camera], [camera, beside]):
        for given in (features.expand(len(cameras), -1, -1), None):
            found = well_formed_triton.well_formed(*shape, given, cameras)
            assert torch.equal(found, well_formed(*shape, given, cameras))


def test_drawing_again_does_not_wait_for_the_device():
    """Only the sorting of a projection does: further features of it can be recorded."""
    gaussians, camera = random_scene(200, 3, dtype=torch.float32)
    *shape, features = (x.cuda() for x in gaussians)
    projected = project(*shape, camera)
    projected.blend(features)
    try:
        torch.cuda.set_sync_debug_mode("error")
        again, _ = projected.blend(features)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert_near(again, draw(gaussians, camera).features.double(), 1e-3, "features")
