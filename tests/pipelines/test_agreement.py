"""Agreement's figures, by hand; and a run agrees with itself."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.models.conversion.ball_field import ANGLES, CONTEXT, PHRASES, BallField, session

from langfield.pipelines.agreement import _figures, compare
from langfield.query.answers import ViewAnswers


def answers(relevancy: list, best: list, score: list, grey: int = 100) -> ViewAnswers:
    maps = np.array(relevancy, dtype=np.float32)
    phrases, height, width = maps.shape
    return ViewAnswers(
        phrases=tuple("abcdef"[:phrases]),
        rgb=np.full((height, width, 3), grey, dtype=np.uint8),
        depth_world=np.ones((height, width), dtype=np.float32),
        relevancy=maps,
        refined=maps,
        masks=maps > 0.5,
        scale_world=maps,
        best_xy_px=np.array(best, dtype=np.float64),
        score=np.array(score, dtype=np.float64),
    )


FIELD = answers([[[0.1, 0.9]], [[0.2, 0.4]], [[0.6, 0.8]]], [[1.5, 0.5], [1.5, 0.5], [0.5, 0.5]], [0.9, 0.4, 0.8])


def test_the_same_answers_agree_wholly():
    found = _figures([(FIELD, FIELD)], 0.5, 0.1)
    assert found.correlation == pytest.approx(1)
    assert found.correlation_answered == pytest.approx(1)
    assert (found.difference, found.same_verdict, found.answered) == (0, 1, 2)
    assert (found.best_in_mask, found.mask_iou) == (1, 1)
    assert found.psnr == pytest.approx(100)
    assert found.to_json()["seconds_per_phrase"] == {"field": 0.5, "baked": 0.1}


def test_figures_by_hand():
    # The first is mirrored, the second differs and is answered for; of the third, half of the mask is left.
    maps = [[[0.9, 0.1]], [[0.2, 0.6]], [[0.6, 0.5]]]
    baked = answers(maps, [[0.5, 0.5], [1.5, 0.5], [0.5, 0.5]], [0.9, 0.6, 0.7], grey=151)
    found = _figures([(FIELD, baked)], 0, 0)
    assert found.correlation == pytest.approx(-1 / 3)  # −1, 1 and −1
    assert found.correlation_answered == pytest.approx(-1)
    assert found.difference == pytest.approx((0.8 + 0.1 + 0.15) / 3)
    assert found.same_verdict == pytest.approx(2 / 3)
    assert found.answered == 2
    assert found.best_in_mask == pytest.approx(1 / 2)
    assert found.mask_iou == pytest.approx((0 + 1 / 2) / 2)
    assert found.psnr == pytest.approx(-20 * np.log10(0.2))
    assert found.views == 1
    assert found.phrases == 3


def test_only_where_the_field_shows_a_surface():
    depth = np.array([[1.0, np.inf]], dtype=np.float32)
    seen = replace(FIELD, depth_world=depth)
    baked = answers([[[0.3, 0.0]], [[0.2, 0.0]], [[0.6, 0.0]]], [[0.5, 0.5]] * 3, [0.9, 0.4, 0.8])
    found = _figures([(seen, baked)], 0, 0)
    assert found.difference == pytest.approx(0.2 / 3)
    assert found.correlation is None
    nowhere = _figures([(replace(FIELD, depth_world=depth * np.inf), baked)], 0, 0)
    assert nowhere.difference is None
    assert nowhere.psnr is None


def test_what_cannot_be_told_is_null():
    nothing = answers([[[0.3, 0.3]]], [[0.5, 0.5]], [0.3])  # flat, and without a mask
    found = _figures([(nothing, nothing)], 0, 0).to_json()
    assert found["correlation"] is None
    assert found["correlation_answered"] is None
    assert found["best_in_mask"] is None
    assert found["mask_iou"] is None
    assert found["answered"] == 0
    assert found["same_verdict"] == 1


def test_a_session_agrees_with_itself_and_encodes_texts_once():
    field = session()
    events = []
    cameras = [view.camera.fit_within(32) for view in field.views[:2]]
    found = compare(field, field.beside(field.info, field.model), cameras, list(PHRASES), events.append)
    assert found.correlation == pytest.approx(1)
    assert found.difference == 0
    assert found.same_verdict == 1
    assert found.answered > 0
    assert (found.best_in_mask, found.mask_iou) == (1, 1)
    assert found.seconds_field > 0
    assert (found.views, found.phrases) == (2, 5)
    assert [event.done for event in events] == [1, 2, 3, 4]

    class Deaf:
        def encode_texts(self, texts):
            raise AssertionError("encoded already")

    field._phrase_encoder._encoder = Deaf()  # type: ignore[assignment]
    other = field.beside(replace(field.info, model="other"), field.model)
    other.ask_view(cameras[0], list(PHRASES))
    assert torch.stack(list(other._phrase_encoder._texts.values())).shape[1] == 5


def test_a_session_beside_another_asks_at_the_scales_that_its_own_model_saw():
    field = session()
    other = field.beside(field.info, BallField(context=replace(CONTEXT, crop_angles=(0.5, 0.75))))
    assert other.observed_scales().crop_angles[[0, -1]].tolist() == [0.5, 0.75]
    torch.testing.assert_close(field.observed_scales().crop_angles[[0, -1]], torch.tensor(ANGLES))
