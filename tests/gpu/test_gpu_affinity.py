"""The affinity head and its coupling on a GPU: losses of the CPU, no waiting, and recorded steps that are the steps."""

from dataclasses import replace

import torch
from tests.gpu.test_gpu_lerf import on_gpu
from tests.models.nerf.ball_masks import CONFIG, auc_at, ball_photos
from tests.models.nerf.test_affinity import CONTEXT, COUPLED, masked_batch

from langfield.data.pixels import PixelPool
from langfield.features.photos import TrainingPhotos
from langfield.models.config import ModelContext
from langfield.models.nerf.lerf import Lerf
from langfield.training.batches import RaySource
from langfield.training.config import TrainingConfig
from langfield.training.loop import train


def test_losses_are_those_of_the_cpu():
    torch.manual_seed(0)
    model, batch = Lerf(COUPLED, CONTEXT), masked_batch()
    expected = model.loss(batch, 30)
    found = model.cuda().loss(on_gpu(batch), 30)
    for name in ("affinity", "affinity-language"):
        torch.testing.assert_close(found[name].cpu(), expected[name], rtol=5e-3, atol=1e-4)


def test_batches_and_losses_do_not_wait_for_the_device(tmp_path):
    scene, masks = ball_photos(tmp_path, 5)
    torch.manual_seed(0)
    model = Lerf(CONFIG, ModelContext(photos=len(scene.train), target_dims={"mask": 1})).cuda()
    sources = model.target_sources(TrainingPhotos(scene, scene.train, masks), torch.device("cuda"))
    with PixelPool(scene, scene.train, "cuda", 1 << 24, seed=0) as pool:
        batches = RaySource(scene, pool, "cuda", 512, sources, 256, None, model.head_rays_per_photo)
        for step in range(4):
            torch.cuda.set_sync_debug_mode("error" if step >= 2 else "default")
            try:
                terms = model.loss(batches.batch(step), step)
                terms["affinity"].backward()
            finally:
                torch.cuda.set_sync_debug_mode("default")


def test_recorded_steps_are_the_steps_and_learn(tmp_path):
    """Once the proposals' phase can be recorded, so can steps with the head: their shapes are fixed."""
    scene, masks = ball_photos(tmp_path)
    sampler = replace(CONFIG.sampler, warmup_steps=20, anneal_steps=20)
    config, found, aucs = replace(CONFIG, sampler=sampler), {}, {}
    for cuda_graphs in (False, True):
        torch.manual_seed(0)
        model = Lerf(config, ModelContext(photos=len(scene.train), target_dims={"mask": 1})).cuda()
        assert model.phase(100) is not None
        sources = model.target_sources(TrainingPhotos(scene, scene.train, masks), torch.device("cuda"))
        with PixelPool(scene, scene.train, "cuda", 1 << 24, seed=0) as pool:
            batches = RaySource(scene, pool, "cuda", 512, sources, 256, None, model.head_rays_per_photo)
            assert batches.recordable
            result = train(model, batches, TrainingConfig(steps=400, rays=512, head_rays=256, cuda_graphs=cuda_graphs))
        found[cuda_graphs] = result.metrics
        model.cpu()
        aucs[cuda_graphs] = auc_at(model, scene, masks, scene.test[0], 0.2)
    assert all(metrics["bad_steps"] == 0 for metrics in found.values())
    assert min(aucs.values()) > 0.95, aucs
    assert abs(found[True]["affinity"] - found[False]["affinity"]) < 0.1
