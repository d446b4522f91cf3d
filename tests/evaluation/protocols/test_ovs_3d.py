"""3D-OVS's mIoU by hand: which level, which pixels, which photos, and what the mean is over."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.data.literature_scenes import HEIGHT, WIDTH, write_3d_ovs_scene, write_lerf_mask_scene
from tests.evaluation.test_evaluator import Oracle

from langfield.core.errors import DataError
from langfield.data.scene import open_scene
from langfield.evaluation.evaluator import evaluate
from langfield.evaluation.protocols.ovs_3d import RULE, choose_level
from langfield.query.answers import ViewAnswers

CLASSES = "red ball\ngreen ball\nblue ball\n"


def test_the_level_whose_mask_is_surest_is_taken_and_cut_as_it_is():
    maps = torch.tensor(
        [
            [[0.5, 0.5, 0.5], [0.5, 0.41, 0.0]],  # 0.482 in the mean of five
            [[0.9, 0.4, 0.4], [0.1, 0.3, 0.39]],  # 0.9, of one: 0.4 is not over 0.4
            [[0.8, 0.8, 0.8], [0.8, 0.8, 0.8]],  # 0.8 of all
        ]
    )
    mask, level = choose_level(maps)
    assert level == 1
    assert mask.tolist() == [[True, False, False], [False, False, False]]
    mask, level = choose_level(maps[[0, 2]])
    assert (level, int(mask.sum())) == (1, 6)


def test_ties_and_empty_masks_are_the_first_level():
    same = torch.full((2, 2, 2), 0.7)
    assert choose_level(same)[1] == 0
    mask, level = choose_level(torch.full((3, 2, 2), 0.4))
    assert (level, bool(mask.any())) == (0, False)
    mask, level = choose_level(torch.stack([torch.full((2, 2), 0.1), torch.full((2, 2), 0.5)]))
    assert (level, bool(mask.all())) == (1, True)  # an empty mask has no mean to be the highest


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(st.integers(0, 100), min_size=6, max_size=6), min_size=1, max_size=4))
def test_it_is_the_plain_rule(values: list[list[int]]):
    maps = np.array(values, dtype=np.float32).reshape(-1, 2, 3) / np.float32(100)
    means = [float(level[level > 0.4].mean(dtype=np.float64)) if (level > 0.4).any() else -1.0 for level in maps]
    mask, level = choose_level(torch.from_numpy(maps))
    assert means[level] == pytest.approx(max(means))
    assert (mask.numpy() == (maps[level] > 0.4)).all()


class Half(Oracle):
    """Finds the left half of every picture, at both levels."""

    def level_maps(self, camera, phrases, *, raw=False):
        maps = torch.full((2, len(phrases), camera.height_px, camera.width_px), 0.1)
        maps[:, :, :, : camera.width_px // 2] = 0.6
        return maps


def block(path: Path, columns: slice) -> None:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[:, columns] = 255
    Image.fromarray(mask).save(path)


def test_the_mean_is_over_classes_of_what_shows(tmp_path: Path):
    write_3d_ovs_scene(tmp_path, CLASSES, {"00": 0, "05": 5})
    scene, folder = open_scene(tmp_path), tmp_path / "segmentations"
    half, quarter = WIDTH // 2, WIDTH // 4
    for photo, columns in (
        ("00", {"red": slice(0, half), "green": slice(0, quarter), "blue": slice(half, None)}),
        ("05", {"red": slice(0, WIDTH), "green": slice(0, 0), "blue": slice(quarter, half + quarter)}),
    ):
        for colour, where in columns.items():
            block(folder / photo / f"{colour} ball.png", where)
    trained = (scene.views[5].name,)
    report = evaluate(Half(trained=trained), scene, queries=folder, protocol="3d-ovs").to_json()
    found = {(question["view"], question["phrase"]): question["iou"] for question in report["questions"]}
    assert found == {
        ("00.jpg", "red ball"): 1.0,
        ("00.jpg", "green ball"): 0.5,
        ("00.jpg", "blue ball"): 0.0,
        ("05.jpg", "red ball"): 0.5,
        ("05.jpg", "blue ball"): pytest.approx(1 / 3),  # green shows nowhere in it
    }
    assert report["miou"] == pytest.approx(((1 + 0.5) / 2 + 0.5 + (0 + 1 / 3) / 2) / 3)
    assert (report["views"], report["trained_on"], report["left_out"]) == (2, ["05.jpg"], [])
    assert (report["label_layout"], report["mask_rule"]) == ("3D-OVS", RULE)
    assert report["localisation"] is report["presence"] is report["psnr"] is None

    held = evaluate(Half(trained=trained), scene, queries=folder, protocol="3d-ovs-held-out").to_json()
    assert [view["view"] for view in held["per_view"]] == ["00.jpg"]
    assert held["left_out"] == ["05.jpg"]
    assert held["miou"] == pytest.approx((1 + 0.5 + 0) / 3)
    everything = tuple(view.name for view in scene.views)
    with pytest.raises(DataError, match=r"or ask by the protocol 3d-ovs$"):
        evaluate(Half(trained=everything), scene, queries=folder, protocol="3d-ovs-held-out")


def test_labels_larger_than_what_is_asked_are_where_masks_are_compared(tmp_path: Path):
    write_3d_ovs_scene(tmp_path, "red ball\n", {"00": 0})
    folder = tmp_path / "segmentations"
    for extra in ("green", "blue"):
        (folder / "00" / f"{extra} ball.png").unlink()
    mask = np.zeros((4 * HEIGHT, 4 * WIDTH), np.uint8)
    mask[:, : 2 * WIDTH] = 255
    Image.fromarray(mask).save(folder / "00" / "red ball.png")
    report = evaluate(Half(), open_scene(tmp_path), queries=folder, protocol="3d-ovs", max_side_px=16).to_json()
    assert report["language_side_px"] == 16
    assert report["miou"] > 0.9


class LeftHalf(Oracle):
    """Answers every phrase with the left half of the picture."""

    def ask_view(self, camera, phrases, *, protocol="langfield") -> ViewAnswers:
        answers = super().ask_view(camera, phrases, protocol=protocol)
        answers.masks[:] = False
        answers.masks[:, :, : camera.width_px // 2] = True
        return answers


def test_lerf_mask_asks_the_photos_that_are_not_to_train_on(tmp_path: Path):
    write_lerf_mask_scene(tmp_path, labelled=(0, 2))
    masks = tmp_path / "test_mask"
    for path in sorted(masks.glob("*/*.png")):
        path.unlink()
    block(masks / "0" / "red ball.png", slice(0, WIDTH // 2))
    block(masks / "0" / "green ball.png", slice(WIDTH // 2, None))
    block(masks / "2" / "red ball.png", slice(0, WIDTH))
    (masks / "a").mkdir()  # a photo to train on
    block(masks / "a" / "red ball.png", slice(0, WIDTH))
    report = evaluate(LeftHalf(), open_scene(tmp_path), queries=masks, protocol="lerf-mask").to_json()
    assert [view["view"] for view in report["per_view"]] == ["test_0.jpg", "test_2.jpg"]
    assert report["left_out"] == ["a.jpg"]
    assert report["miou"] == pytest.approx(((1 + 0) / 2 + 0.5) / 2)
    assert report["boundary_miou"] < report["miou"]
    assert (report["label_layout"], report["mask_rule"]) == ("LERF-Mask", "answer")
