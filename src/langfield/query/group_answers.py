"""A scene's groups, ready to answer: what a group is in space, in a picture, and among a run's elements."""

import time
from collections.abc import Callable
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from scipy.sparse import coo_matrix, csc_matrix, csr_matrix
from torch import Tensor

from langfield.core.errors import UsageError
from langfield.core.progress import Progress, ProgressEvent, silent
from langfield.core.transforms import Similarity
from langfield.groups.base import SOLID_SHARE, size_of, solid_part
from langfield.groups.hierarchy import things
from langfield.groups.scene_groups import SceneGroups
from langfield.models.base import AskableView
from langfield.models.relevancy import EncodedPhrases
from langfield.query.best_views import BestViews
from langfield.query.boxes import GROUP_ENDS, Box, Ends, axis_aligned_box, box_centre, upright_box
from langfield.query.group_masks import GroupsInView
from langfield.query.index.grouped_surface import GroupedSurface
from langfield.query.index.scene_index import SceneIndex
from langfield.query.objects import GroupShape, SceneObject, best_names, listed_groups, parts_of, seen_often
from langfield.query.segmentation import chosen_group

SIGHTINGS_POWER = 2  # of the number of photos that show a voxel: its weight where a group ends
_CROP_OF_EXTENT = 1.3  # how much higher than a group the crops are that its language is read from, without own crops


class GroupAnswers:
    """The groups of a scene, its index, and what several questions need of both.

    Attributes:
        groups: of the scene.
    """

    def __init__(
        self,
        groups: SceneGroups,
        index: Callable[[Progress], SceneIndex],
        scene_from_world: Similarity,
        up_world: Float[np.ndarray, "3"],
        best_views: BestViews,
        element_positions_scene: Callable[[], Float[np.ndarray, "n 3"]],
        *,
        counts_elements: bool,
    ) -> None:
        """
        Args:
            index: gives the scene's index, which only names and phrases need: UsageError for a run without language.
            element_positions_scene: gives the centres of the run's N elements.
            counts_elements: whether a shape says how many of these are a group's; else how many points are.
        """
        self.groups = groups
        self._index = index
        self._world_from_scene = scene_from_world.inverse()
        self._up_world = up_world
        self._best_views = best_views
        self._element_positions_scene = element_positions_scene
        self._counts_elements = counts_elements
        self._view: tuple[AskableView, GroupsInView] | None = None
        self._shapes: dict[int, GroupShape] = {}
        self._surrounding: dict[int, bool] = {}

    # -- one group -----------------------------------------------------------------------------------------------

    def checked_number(self, group: int) -> int:
        """The number of a group; UsageError if none has it."""
        count = len(self.groups)
        if isinstance(group, bool) or not isinstance(group, int | np.integer) or not 0 <= group < count:
            known = f"0 to {count - 1}" if count else "none"
            raise UsageError(f"this run has no group {str(group)[:40]}; the numbers of its groups are {known}")
        return int(group)

    def in_view(self, view: AskableView) -> GroupsInView:
        """The groups in a picture; those of the last view are kept."""
        if self._view is None or self._view[0] is not view:
            self._view = view, GroupsInView.of(view, self.groups)
        return self._view[1]

    def points_scene(self, group: int) -> Float[np.ndarray, "k 3"]:
        """The points of the surface that are a group's, one a voxel, scene frame, float64."""
        return self._centres_scene[self.groups.groups.voxels_of(group)]

    def ends_world(self, group: int) -> Ends:
        """Where a group's points (`points_scene`, in world units) end. Its voxels reach half a side beyond their
        middles. A voxel counts by the square of how many photos show it: depth that few photos have wrong makes voxels
        below and behind the surface, and there are as many of them as of right ones."""
        voxels = self.groups.groups.voxels_of(group)
        sides, seen_by = self._sides_scene[voxels], self.groups.photo_count
        margin = 0.5 * float(np.median(sides)) * self._world_from_scene.scale if len(sides) else 0.0
        weight = None if seen_by is None else np.maximum(seen_by[voxels], 1).astype(np.float64) ** SIGHTINGS_POWER
        return Ends(GROUP_ENDS, margin, weight)

    def contains(self, group: int, points_scene: Float[np.ndarray, "n 3"]) -> Bool[np.ndarray, " n"]:
        """Which points lie where the surface is a group's; none that is off the surface."""
        voxel, weight = self._around(points_scene)
        return (self.groups.shares(group)[voxel] * weight).sum(axis=1) >= SOLID_SHARE

    def elements(self, group: int) -> Bool[np.ndarray, " n"]:
        """Which of the run's elements lie where the surface is a group's: `contains` of them, worked out once for all
        groups."""
        table = self._element_table
        chosen = np.zeros(size_of(table)[1], dtype=bool)
        chosen[table.indices[table.indptr[group] : table.indptr[group + 1]]] = True
        return chosen

    @cached_property
    def _element_table(self) -> csr_matrix:
        """(G, N) ones where an element is of a group."""
        voxel, weight = self._around(self._element_positions_scene())
        row, corner = np.nonzero(weight)
        size = (len(voxel), len(self.groups.surface))
        weights = csr_matrix(coo_matrix((weight[row, corner], (row, voxel[row, corner])), shape=size))
        return solid_part(csr_matrix((weights @ self.groups.groups.members.T).T))

    def shape(self, group: int) -> GroupShape:
        """Where a group is. Kept once asked for."""
        if group not in self._shapes:
            scene = self.points_scene(group)
            world = self._world_from_scene.points(scene)
            ends = self.ends_world(group)
            x, y, z = box_centre(world, ends).tolist()
            side = float(self.groups.surface.sides_scene.median())
            elements = len(scene)
            if self._counts_elements:
                elements = int(self._element_table.indptr[group + 1] - self._element_table.indptr[group])
            views = self._best_views.of_thing(box_centre(scene, Ends(GROUP_ENDS)), scene, side)
            box, upright = axis_aligned_box(world, ends), upright_box(world, self._up_world, ends)
            self._shapes[group] = GroupShape(group, (x, y, z), box, upright, world, elements, views)
        return self._shapes[group]

    def surrounds(self, group: int) -> bool:
        """Whether a group is what things stand on or in front of, as a table top, a floor or a wall: its longest edge
        is longer than the distance that it was photographed from. Kept once asked for."""
        if group not in self._surrounding:
            points = torch.from_numpy(self.points_scene(group))
            distance = self.groups.surface.division.camera_distances(points).median()
            self._surrounding[group] = bool(self._extents_scene[group] > distance)
        return self._surrounding[group]

    @cached_property
    def on_index(self) -> GroupedSurface:
        """Which groups the index's voxels belong to."""
        return GroupedSurface.of(self.groups, self._index(silent).voxels)

    # -- all groups ----------------------------------------------------------------------------------------------

    def objects(self, nouns: EncodedPhrases | None, all_levels: bool, progress: Progress = silent) -> list[SceneObject]:
        """An inventory, the objects that most photos show first.

        Args:
            nouns: names to choose from; None for none.
            all_levels: also parts of things, sets of things, what surrounds them (`surrounds`), and what hardly any
                photo shows.
        """
        groups = self.groups.groups
        listed = [g for g in listed_groups(groups, self.thing_of_voxel, all_levels) if len(self.points_scene(g))]
        if not all_levels:
            listed = seen_often([group for group in listed if not self.surrounds(group)], groups)
        names, scores = [""] * len(listed), np.zeros(len(listed))
        if nouns is not None and listed:
            names, scores = best_names(self.embeddings(nouns.embeddings, progress)[torch.tensor(listed)], nouns)
        out, started = [], time.monotonic()
        for group, name, score in zip(listed, names, scores, strict=True):
            parent = int(groups.parent[group])
            out.append(
                SceneObject(
                    shape=self.shape(group),
                    name=name,
                    score=float(score),
                    photos=int(groups.photo_count[group]),
                    support=float(groups.support[group]),
                    parent=parent if parent >= 0 else None,
                    parts=parts_of(groups, group),
                )
            )
            progress(ProgressEvent("objects", len(out), len(listed), "objects", time.monotonic() - started))
        return sorted(out, key=lambda found: (-found.photos, -found.support, found.shape.group))

    def embeddings(self, like: Float[Tensor, "p d"], progress: Progress = silent) -> Float[Tensor, "g d"]:
        """Unit embeddings of the groups: of their own crops where the run has them, else of the index's voxels at the
        crop level that fits each; 0 where nothing was embedded. Args: like: a tensor on the wanted device."""
        if self.groups.embeddings is not None:
            return torch.from_numpy(self.groups.embeddings.astype(np.float32)).to(like.device)
        index = self._index(progress)
        vectors, rows = index.embeddings.vectors, []
        for group in range(len(self.groups)):
            voxels = self.on_index.voxels(group)
            if not len(voxels):
                rows.append(vectors.new_zeros(vectors.shape[2]).float())
                continue
            points = index.voxels.centres_scene[voxels]
            extent = float(np.ptp(points, axis=0).max()) + index.voxels.side_scene
            heights = index.crop_angles * float(np.median(index.typical_distance_scene[voxels]))
            level = int(np.abs(np.log(heights / (_CROP_OF_EXTENT * extent))).argmin())
            rows.append(vectors[level, torch.from_numpy(voxels).to(vectors.device)].float().mean(dim=0))
        return torch.nn.functional.normalize(torch.stack(rows), dim=1).to(like.device)

    @cached_property
    def thing_of_voxel(self) -> Int64[np.ndarray, " v"]:
        """(V,) the thing that each voxel is of: a partition into groups that do not overlap; −1 for none."""
        return things(self.groups.groups)

    # -- clicks --------------------------------------------------------------------------------------------------

    def at_points(
        self,
        inside_scene: Float[np.ndarray, "n 3"],
        outside_scene: Float[np.ndarray, "m 3"],
        scale_world: float | None,
    ) -> int | None:
        """The group that holds some points and not others; None where there is none. See `segmentation.chosen_group`.

        A point off the surface, such as the middle of a mug, is held by the groups whose box is around it, but for
        those that surround things. If it is the first, and no scale is wanted, the smallest thing there is meant.

        Args:
            inside_scene: at least one point.
            outside_scene: points that it must not hold; those off the surface say nothing.
            scale_world: the wanted length of the group; None for the thing there.
        """
        points = np.concatenate([inside_scene, outside_scene])
        voxel, weight = self._around(points)
        holds = self._share_table(voxel, weight) >= SOLID_SHARE
        wanted = np.arange(len(points)) < len(inside_scene)
        off_surface = np.logical_not((weight > 0).any(axis=1)).reshape(-1)
        holds[:, wanted & off_surface] = self._boxes_around(points[wanted & off_surface])
        containing = np.flatnonzero((holds == wanted).all(axis=1))
        extents = self._extents_scene[containing] * self._world_from_scene.scale
        if off_surface[0]:
            things_there = containing[np.isin(containing, self.thing_of_voxel)]
            if scale_world is None and not len(things_there):
                return None
            smallest = np.argsort(self._extents_scene[things_there], kind="stable")[:1]
            thing = next(iter(things_there[smallest].tolist()), -1)
        else:
            thing = int(self.thing_of_voxel[int(voxel[0, weight[0].argmax()])])
        return chosen_group(containing.tolist(), extents, thing, scale_world)

    @cached_property
    def _extents_scene(self) -> Float[np.ndarray, " g"]:
        """(G,) the longest edge of each group's axis-aligned box, scene frame and units."""
        extents = np.zeros(len(self.groups))
        for group in range(len(self.groups)):
            points = self.points_scene(group)
            if len(points):
                low, high = np.percentile(points, (GROUP_ENDS, 100 - GROUP_ENDS), axis=0)
                extents[group] = (high - low).max()
        return extents

    def _boxes_around(self, points_scene: Float[np.ndarray, "n 3"]) -> Bool[np.ndarray, "g n"]:
        """Which groups' boxes (`GroupShape.box`) hold each point; none of groups that surround things."""
        points = self._world_from_scene.points(points_scene)
        around = np.zeros((len(self.groups), len(points)), dtype=bool)
        for group, box in self._boxes_world.items() if len(points) else ():
            inside = ((points >= np.array(box.low)) & (points <= np.array(box.high))).all(axis=1)
            around[group] = inside & bool(inside.any() and not self.surrounds(group))
        return around

    @cached_property
    def _boxes_world(self) -> dict[int, Box]:
        """The boxes of the groups that have points, as `shape` gives them."""
        points = ((group, self.points_scene(group)) for group in range(len(self.groups)))
        to_world = self._world_from_scene.points
        return {group: axis_aligned_box(to_world(p), self.ends_world(group)) for group, p in points if len(p)}

    def _share_table(
        self, voxel: Int64[np.ndarray, "n 8"], weight: Float[np.ndarray, "n 8"]
    ) -> Float[np.ndarray, "g n"]:
        """The share of photos by which the surface at each point is of each group; 0 off the surface. Args: see
        `_around`."""
        columns = self._members_by_voxel[:, voxel.reshape(-1)].toarray().reshape(len(self.groups), *voxel.shape)
        return (columns * weight).sum(axis=2)

    def _around(
        self, points_scene: Float[np.ndarray, "n 3"]
    ) -> tuple[Int64[np.ndarray, "n 8"], Float[np.ndarray, "n 8"]]:
        surface = self.groups.surface
        voxel, weight = surface.around(torch.from_numpy(points_scene).float().to(surface.device))
        return voxel.cpu().numpy(), weight.cpu().numpy()

    @cached_property
    def _members_by_voxel(self) -> csc_matrix:
        return csc_matrix(self.groups.groups.members)

    @cached_property
    def _sides_scene(self) -> Float[np.ndarray, " v"]:
        return self.groups.surface.sides_scene.cpu().numpy()

    @cached_property
    def _centres_scene(self) -> Float[np.ndarray, "v 3"]:
        return self.groups.surface.centres_scene.cpu().double().numpy()
