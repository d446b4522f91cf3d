"""`langfield.coco_document`: the masks of all hits in photos, each once, and nothing of what is not there."""

import json

import numpy as np
import pytest
from tests.export.coco_decoder import mask_of
from tests.query.fake_session import session

import langfield


def test_annotations_are_the_hits_masks_in_every_photo():
    run = session()
    document = json.loads(json.dumps(langfield.coco_document(run, ["thing", "wall", "nothing"])))
    assert [category["name"] for category in document["categories"]] == ["thing", "wall", "nothing"]
    assert [image["file_name"] for image in document["images"]] == [view.name for view in run.views]
    found = {(a["image_id"], a["category_id"], a["hit"]): a for a in document["annotations"]}
    assert len(found) == len(document["annotations"])
    expected = 0
    for image, view in enumerate(run.views, start=1):
        for category, answer in enumerate(run.query(["thing", "wall", "nothing"]), start=1):
            masks = run.hit_masks(view.camera, answer.phrase)
            for rank, (mask, hit) in enumerate(zip(masks, answer.hits, strict=True), start=1):
                if mask.any():
                    annotation = found[image, category, rank]
                    np.testing.assert_array_equal(mask_of(annotation["segmentation"]), mask)
                    assert annotation["score"] == pytest.approx(hit.score)
                    expected += 1
    assert expected == len(found) > 0


def test_photos_can_be_chosen_and_phrases_repeated():
    run = session()
    document = langfield.coco_document(run, ["thing", "thing"], views=run.views[1:3])
    assert [image["file_name"] for image in document["images"]] == [view.name for view in run.views[1:3]]
    assert [category["name"] for category in document["categories"]] == ["thing"]
    assert len({(a["image_id"], a["hit"]) for a in document["annotations"]}) == len(document["annotations"]) > 0


def test_progress_counts_photos():
    run, events = session(), []
    langfield.coco_document(run, ["thing"], views=run.views[:2], progress=events.append)
    assert [(e.done, e.total) for e in events if e.stage == "masks"] == [(1, 2), (2, 2)]


def test_a_bare_phrase_is_refused_and_a_threshold_of_ones_own_is_kept():
    run = session()
    with pytest.raises(langfield.LangfieldError, match="phrases"):
        langfield.coco_document(run, "thing")
    (answer,) = run.query(["thing"])
    assert not langfield.coco_document(run, ["thing"], min_presence=answer.presence)["annotations"]
    assert langfield.coco_document(run, ["thing"], min_presence=0.0)["annotations"]
