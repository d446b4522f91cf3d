"""The voxel-lifted model on a GPU: the same language from the same surface, trained and asked there."""

from dataclasses import replace

import torch
from tests.models.voxels.test_voxel_lift import CAMERA, CONTEXT, LEFT, RIGHT, TINY, batch, photo

from langfield.core.cameras import Cameras
from langfield.models.voxels.voxel_lift import PhotoEmbeddings, VoxelLift


def _photo_on_gpu() -> PhotoEmbeddings:
    pixels = CAMERA.pixel_centres("cuda").reshape(-1, 2)
    rays = Cameras.from_list([CAMERA], "cuda").rays(torch.zeros(256, dtype=torch.int64, device="cuda"), pixels)
    said = photo()
    return PhotoEmbeddings(rays, said.embedding.cuda(), said.crop_angle.cuda())


def test_the_same_surface_hears_the_same():
    torch.manual_seed(0)
    here = VoxelLift(TINY, CONTEXT)
    optimiser = torch.optim.Adam(here.parameters(), lr=1e-2, eps=1e-15)
    for step in range(40):
        optimiser.zero_grad()
        terms = here.loss(batch(step), step)
        torch.stack([value for name, value in terms.items() if not name.startswith("_")]).sum().backward()
        optimiser.step()
    there = VoxelLift(TINY, CONTEXT)
    there.load_state_dict(here.state_dict())
    there = there.cuda()
    here.lift(lambda: iter([photo(), photo()]))
    there.lift(lambda: iter([_photo_on_gpu(), _photo_on_gpu()]))
    view = here.view(CAMERA)
    scale = torch.full((view.pixel_count,), 0.2)
    on_gpu = {name: value.cuda() for name, value in vars(view.samples).items() if isinstance(value, torch.Tensor)}
    one = here.embed(view.samples, scale)
    other = there.embed(replace(view.samples, **on_gpu), scale.cuda()).cpu()
    heard = (one.norm(dim=-1) > 0) & (other.norm(dim=-1) > 0)
    assert heard.sum() > 100
    # Rounding may put a sample into the neighbouring voxel: most agree closely, and none is of the other side.
    agreement = (one * other).sum(dim=-1)[heard]
    assert (agreement > 0.999).float().mean() > 0.95
    columns = torch.arange(256) % 16
    clear = heard & ((columns < 6) | (columns > 9))
    said = torch.where((columns < 8)[:, None], LEFT, RIGHT)
    assert ((other * said).sum(dim=-1)[clear] > 0.7).float().mean() > 0.9
