"""Which noun a group of the surface is named by."""

import torch

from langfield.models.relevancy import EncodedPhrases
from langfield.query.objects import best_names


def unit(*rows: list[float]) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.tensor(rows), dim=1)


NOUNS = EncodedPhrases(
    texts=("cup", "plate", "room"),
    embeddings=unit([1.0, 0, 0, 0.5], [0, 1.0, 0, 0.5], [0, 0, 0, 1.0]),
    negatives=unit([0.0, 0, 1.0, 0]),
    temperature=10.0,
)


def test_what_every_group_has_in_common_names_none():
    """All three are more like "room" than like any other noun, for all of them are in one."""
    groups = unit([0.5, 0, 0, 1.0], [0, 0.5, 0, 1.0], [0.5, 0.1, 0, 1.0])
    assert ((groups @ NOUNS.embeddings.T).argmax(dim=1) == 2).all()
    names, scores = best_names(groups, NOUNS)
    assert names == ["cup", "plate", "cup"]
    torch.testing.assert_close(torch.from_numpy(scores), NOUNS.relevancy(groups)[range(3), [0, 1, 0]])


def test_groups_of_no_picture_have_no_name_and_change_no_other():
    seen = unit([1.0, 0, 0, 0], [0, 1.0, 0, 0.2])
    names, scores = best_names(seen, NOUNS)
    with_unseen, scores_with_unseen = best_names(torch.cat([torch.zeros(2, 4), seen]), NOUNS)
    assert with_unseen == ["", "", *names]
    assert scores_with_unseen.tolist() == [0, 0, *scores.tolist()]


def test_no_groups_have_no_names():
    names, scores = best_names(torch.zeros(0, 4), NOUNS)
    assert names == []
    assert scores.shape == (0,)
