"""From regions of a scene's index, and the groups that they are, to answers: places, boxes, photos and elements."""

import numpy as np
from jaxtyping import Bool

from langfield.query.answers import Answer, Hit
from langfield.query.boxes import REGION, Ends, box_centre
from langfield.query.index.regions import Region
from langfield.query.index.scene_index import PhraseMatch
from langfield.query.opened_scene import OpenedScene


def answer_of(scene: OpenedScene, phrase: str, match: PhraseMatch) -> Answer:
    """What a phrase that was matched with the scene is answered, world frame and units."""
    hits = tuple(_hit(scene, region, match) for region in match.hits)
    return Answer(
        phrase=phrase,
        present=match.present,
        presence=match.presence,
        score=hits[0].score if hits else 0.0,
        scale_world=hits[0].scale_world if hits else None,
        hits=hits,
    )


def elements_of(scene: OpenedScene, region: Region) -> Bool[np.ndarray, " n"]:
    """Which elements belong to a hit: those in its voxels, and of a group only those where the surface is its."""
    elements = scene.element_voxels.mask_of(region)
    return elements if region.group is None else elements & scene.groups().elements(region.group)


def _hit(scene: OpenedScene, region: Region, match: PhraseMatch) -> Hit:
    index, world_from_scene = scene.index(), scene.scene_from_world.inverse()
    if region.group is None:
        points_scene, core_scene = (index.voxels.points_in(voxels) for voxels in (region.voxels, region.core))
        ends = REGION
        elements = scene.element_voxels.count_in(region) if scene.has_splats else None
    else:
        points_scene = core_scene = scene.groups().points_scene(region.group)
        ends = scene.groups().ends_world(region.group)
        elements = int(elements_of(scene, region).sum()) if scene.has_splats else None
    views = scene.best_views.of_thing(box_centre(core_scene, Ends(ends.percent)), points_scene, index.voxels.side_scene)
    return Hit.from_points(
        world_from_scene.points(points_scene),
        world_from_scene.points(core_scene),
        score=region.peak,
        scale_world=index.crop_height_scene(match.crop_level, region.voxels) / scene.scene_from_world.scale,
        elements=len(points_scene) if elements is None else elements,
        views=views,
        up_world=scene.up_world,
        ends=ends,
    )
