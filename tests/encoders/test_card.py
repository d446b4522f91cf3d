import dataclasses
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langfield.encoders.base import EncoderCard

CARD = EncoderCard("openclip:a/b", "0" * 64, "1" * 64, 512, 224, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6), "bicubic", "MIT", 7)
colours = st.tuples(*[st.floats(0.01, 1)] * 3)


@settings(deadline=None, max_examples=50)
@given(mean=colours, temperature=st.floats(0.1, 100), negatives=st.lists(st.text(max_size=8), max_size=4).map(tuple))
def test_a_card_survives_json(mean, temperature, negatives):
    card = dataclasses.replace(CARD, mean=mean, temperature=temperature, negatives=negatives)
    assert EncoderCard.from_json(json.loads(json.dumps(card.to_json()))) == card


def test_relevancy_is_lerfs_by_default():
    assert (CARD.temperature, CARD.negatives) == (10.0, ("object", "things", "stuff", "texture"))


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("embed_dim", "512", "embed_dim of an encoder card must be int, got '512'"),
        ("embed_dim", True, "embed_dim of an encoder card must be int, got True"),
        ("spec", 3, "spec of an encoder card must be str, got 3"),
        ("mean", [0.1, 0.2], "must be three numbers each"),
        ("interpolation", "nearest", "interpolation must be bicubic or bilinear, got 'nearest'"),
        ("negatives", [1], "negatives of an encoder card must be phrases"),
        ("more", 1, "an encoder card has unknown keys: more"),
    ],
)
def test_a_card_that_is_none_is_refused(key, value, complaint):
    with pytest.raises(ValueError, match=complaint.replace("(", r"\(")):
        EncoderCard.from_json({**CARD.to_json(), key: value})


def test_a_card_that_knew_fewer_keys_takes_their_defaults():
    card = dataclasses.replace(CARD, temperature=3.0).to_json()
    del card["temperature"]
    del card["negatives"]
    assert EncoderCard.from_json(card) == CARD


def test_a_key_without_a_default_must_be_there():
    card = CARD.to_json()
    del card["mean"]
    del card["embed_dim"]
    with pytest.raises(ValueError, match="an encoder card lacks keys: embed_dim, mean"):
        EncoderCard.from_json(card)


def test_identity_ignores_what_does_not_change_embeddings():
    same = dataclasses.replace(CARD, spec="openclip:local-dir:x", licence="?", temperature=3.0, negatives=())
    assert same.identity() == CARD.identity()
    for change in ({"weights_sha256": "2" * 64}, {"config_sha256": "x"}, {"input_size_px": 336}, {"mean": (0.0,) * 3}):
        assert dataclasses.replace(CARD, **change).identity() != CARD.identity()
