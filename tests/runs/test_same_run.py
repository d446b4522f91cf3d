"""A training goes on with the run that it began, and is told which key differs from another one."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from run_states import an_info

from langfield.core.cameras import Camera
from langfield.core.config import config_to_json
from langfield.core.errors import RunError
from langfield.models.presets import PRESETS
from langfield.runs.info import RunInfo, RunView
from langfield.runs.same_run import check_same_run

FILE = Path("somewhere/run.json")
DEFAULTS = {"rays": 64, "bf16": None, "save_every": 300.0}


def test_the_same_run_may_be_longer_elsewhere_and_report_differently():
    saved = RunInfo.from_document(an_info(steps_done=40).document(), FILE)
    training = dict(saved.training_config) | {"steps": 80, "save_every": 1.0, "report_every": 3}
    wanted = replace(an_info(), scene_path="elsewhere", training_config=training, package_version="9", created="now")
    check_same_run(saved, wanted, Path("out"), DEFAULTS)


def test_the_same_encoder_may_lie_elsewhere():
    here = an_info(encoders={"image_text": {"spec": "openclip:local-dir:/here", "weights_sha256": "ab"}})
    there = an_info(encoders={"image_text": {"spec": "openclip:local-dir:/there", "weights_sha256": "ab"}})
    check_same_run(here, there, Path("out"), DEFAULTS)
    other = an_info(encoders={"image_text": {"spec": "openclip:local-dir:/here", "weights_sha256": "cd"}})
    with pytest.raises(RunError, match=r"encoders\.image_text\.weights_sha256 = 'ab', but 'cd' is asked for"):
        check_same_run(here, other, Path("out"), DEFAULTS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 8}, "holds a run with seed = 7, but 8 is asked for"),
        ({"model": "other"}, "holds a run with model.name = 'toy', but 'other' is asked for"),
        (
            {"model_config": {"levels": 4, "grid": {"low": 16, "resolutions": (16, 129)}}},
            "holds a run with model.config.grid.resolutions = [16, 128], but [16, 129] is asked for",
        ),
        ({"model_config": {"levels": 4}}, "holds a run with model.config.grid.low = 16, but None is asked for"),
        ({"training_config": {"rays": 65}}, "holds a run with training.rays = 64, but 65 is asked for"),
        (
            {"model_context": {"photos": 8, "target_dims": {"embedding": 32}, "crop_angles": None}},
            "holds a run with model.context.photos = 9, but 8 is asked for",
        ),
        ({"encoders": {}}, "holds a run with encoders.image_text.dim = 32, but None is asked for"),
    ],
)
def test_another_run_is_refused_with_the_key_that_differs(changes, message):
    with pytest.raises(RunError) as caught:
        check_same_run(an_info(), an_info(**changes), Path("out"), DEFAULTS)
    assert str(caught.value) == f"out: {message}; ask for the same, or choose another folder"


def test_another_scene_is_refused():
    with pytest.raises(RunError) as caught:
        check_same_run(an_info(), an_info(scene_fingerprint="cd" * 32), Path("out"), DEFAULTS)
    assert str(caught.value) == (
        "out: holds a run of another scene, or of 'photos/shelf' before its photos, poses or points "
        "changed (fingerprint abababababab, now cdcdcdcdcdcd); choose another folder"
    )


def views_tested_on(*tested: int) -> tuple[RunView, ...]:
    camera = Camera(np.eye(4), 4, 3, 5.0, 5.0, 2.0, 1.5)
    return tuple(RunView(f"{i}.jpg", "test" if i in tested else "train", camera) for i in range(9))


@pytest.mark.parametrize(("every", "same"), [(8, "give --test-every 8"), (None, "leave --test-every out")])
def test_another_split_of_the_same_photos_is_said(every, same):
    saved = an_info(test_every=every, views=views_tested_on(0, 8))
    wanted = an_info(test_every=0, views=views_tested_on()[::-1], scene_fingerprint="cd" * 32)
    with pytest.raises(RunError) as caught:
        check_same_run(saved, wanted, Path("out"), DEFAULTS)
    assert str(caught.value) == (
        f"out: holds a run with 2 of 9 photos kept for testing, but 0 are asked for; {same}, or choose another folder"
    )
    other = replace(wanted, views=views_tested_on()[1:])  # a photo less: another scene
    with pytest.raises(RunError, match="holds a run of another scene"):
        check_same_run(saved, other, Path("out"), DEFAULTS)


def test_the_same_split_may_be_asked_for_in_words_or_not():
    """A run that does not say how it is split, as older ones, goes on with every eighth, which it had."""
    saved = RunInfo.from_document(an_info().document(), FILE)
    check_same_run(saved, an_info(test_every=8), Path("out"), DEFAULTS)
    check_same_run(an_info(test_every=8), saved, Path("out"), DEFAULTS)


def test_a_setting_of_the_training_that_is_newer_than_the_run_has_its_default():
    training = dict(an_info().training_config) | {"bf16": None, "rays": 64}
    del training["save_every"]
    check_same_run(an_info(), an_info(training_config=training), Path("out"), DEFAULTS)
    check_same_run(an_info(training_config={}), an_info(), Path("out"), DEFAULTS)
    with pytest.raises(RunError, match=r"training.bf16 = None, but True is asked for"):
        check_same_run(an_info(), an_info(training_config=training | {"bf16": True}), Path("out"), DEFAULTS)


@pytest.mark.parametrize(("preset", "model"), [("nano", "lerf"), ("lift", "voxel_lift"), ("splat", "splat")])
def test_a_setting_of_the_model_that_is_newer_than_the_run_has_its_default(preset: str, model: str):
    config = config_to_json(PRESETS[preset].config) | {"lr_steps": 30_000}  # its default
    older = {key: value for key, value in config.items() if key != "lr_steps"}
    saved, wanted = (an_info(model=model, model_config=c, model_context={"photos": 9}) for c in (older, config))
    check_same_run(saved, wanted, Path("out"), DEFAULTS)
    wanted = replace(wanted, model_config=config | {"lr_steps": 77})
    with pytest.raises(RunError, match=r"model.config.lr_steps = 30000, but 77 is asked for"):
        check_same_run(saved, wanted, Path("out"), DEFAULTS)


def test_a_config_that_is_no_longer_read_is_said():
    saved = an_info(model="splat", model_config={"wings": 2}, model_context={"photos": 9})
    with pytest.raises(RunError) as caught:
        check_same_run(saved, saved, Path("out"), DEFAULTS)
    assert str(caught.value) == (
        "out: holds a run that cannot go on: model.config has unknown keys: wings; choose another folder"
    )


def test_an_encoder_of_which_more_is_known_now_is_the_same():
    card = {"weights_sha256": "ab", "embed_dim": 32}
    old, new = (an_info(encoders={"image_text": c}) for c in (card, card | {"logit_bias": -3.0}))
    check_same_run(old, new, Path("out"), DEFAULTS)
    with pytest.raises(RunError, match=r"encoders.image_text.logit_bias = -3.0, but None is asked for"):
        check_same_run(new, old, Path("out"), DEFAULTS)
    with pytest.raises(RunError, match=r"encoders.dense.embed_dim = None, but 32 is asked for"):
        check_same_run(old, an_info(encoders={"image_text": card, "dense": card}), Path("out"), DEFAULTS)
