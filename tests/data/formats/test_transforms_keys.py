"""Keys of a `transforms.json` that nothing reads are listed in one line, unless they need not be read."""

import json

import pytest
from tests.data.scenes import write_ball_scene

from langfield.data.scene import open_scene


def notes_with(folder, of_file: dict, of_frame: dict) -> list[str]:
    write_ball_scene(folder, n_views=3)
    meta = json.loads((folder / "transforms.json").read_text())
    for frame in meta["frames"][1:]:
        frame.update(of_frame)
    (folder / "transforms.json").write_text(json.dumps(meta | of_file))
    return [note for note in open_scene(folder).notes if "keys" in note]


@pytest.mark.parametrize(
    ("of_file", "of_frame", "keys"),
    [
        ({"rolling_shutter": [0, 0, 1, 0]}, {}, "rolling_shutter"),
        ({}, {"semantic_path": "a.png"}, "semantic_path of frames"),
        ({"n_frames": 2}, {"normal_path": "a", "light": 1}, "n_frames, normal_path of frames and light of frames"),
        (dict.fromkeys("abcdefg", 1), {"h\n": 1}, "a, b, c, d and 4 more"),
    ],
)
def test_unknown_keys_are_listed_once(tmp_path, of_file, of_frame, keys):
    assert notes_with(tmp_path, of_file, of_frame) == [f"keys of transforms.json that are not used: {keys}"]


def test_what_other_programs_write_for_themselves_is_not_listed(tmp_path):
    of_file = {
        "aabb_scale": 16,
        "orientation_override": "none",
        "scale": 0.3,
        "offset": [0, 0, 0],
        "applied_scale": 1.0,
    }
    of_frame = {"colmap_im_id": 4, "sharpness": 30.5, "timestamp": 1.5, "rotation": 0.1}
    assert notes_with(tmp_path, of_file, of_frame) == []
