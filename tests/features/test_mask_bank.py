import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from langfield.core.errors import DataError, WeightsError
from langfield.data.images import decode_image
from langfield.features import transfers
from langfield.features.mask_bank import MIN_AREA_PX, build_masks
from langfield.features.mask_crops import encode_masks

SIZES = ((64, 48), (40, 70), (64, 48))


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def picture(view):
    return torch.from_numpy(decode_image(view.image_path))


def assert_same(bank, other):
    for masks, same in zip(bank, other, strict=True):
        assert torch.equal(masks.dense(), same.dense())
        np.testing.assert_array_equal(masks.predicted_iou, same.predicted_iou)
        np.testing.assert_array_equal(masks.stability, same.stability)
        if masks.embeddings is None:
            assert same.embeddings is None
        else:
            np.testing.assert_array_equal(masks.embeddings, same.embeddings)


def test_a_bank_holds_each_photos_masks_but_small_ones(make_scene, quarters, colours, cache):
    scene, encoder = make_scene(*SIZES), colours()
    bank = build_masks(scene, [2, 1], quarters(), encoder, cache)
    assert (len(bank), bank.view_indices, bank.report.photos, bank.report.reused_photos) == (2, (2, 1), 2, 0)
    for masks, view in zip(bank, (scene.views[2], scene.views[1]), strict=True):
        proposed = quarters().propose(picture(view))
        assert len(masks) == 6  # not the one of a single pixel
        assert masks.size_px == view.size_px
        assert torch.equal(masks.dense(), proposed.masks[:6])
        assert torch.equal(masks.dense(which=slice(2, 4)), proposed.masks[2:4])
        assert masks.areas_px.tolist() == proposed.masks[:6].sum(dim=(1, 2)).tolist()
        assert masks.boxes_px[0].tolist() == [0, 0, view.size_px[0] // 2, view.size_px[1] // 2]
        np.testing.assert_array_equal(masks.predicted_iou, proposed.predicted_iou[:6].numpy())
        np.testing.assert_array_equal(masks.stability, proposed.stability[:6].numpy())
        assert masks.embeddings.dtype == np.float16
        np.testing.assert_allclose(np.linalg.norm(masks.embeddings.astype(np.float32), axis=1), 1, atol=2e-3)
        expected = encode_masks(picture(view), masks.runs, colours()).numpy()
        np.testing.assert_array_equal(masks.embeddings, expected)


def test_the_next_photo_is_begun_before_this_ones_crops(make_scene, quarters, colours, cache, monkeypatch):
    """A device has its masks to make while the host prepares crops."""
    scene, proposer, encoder, happened = make_scene(*SIZES), quarters(), colours(), []
    begin, encode = proposer.begin, encoder.encode_images
    monkeypatch.setattr(proposer, "begin", lambda image: happened.append("begun") or begin(image))
    monkeypatch.setattr(encoder, "encode_images", lambda crops: happened.append("crops") or encode(crops))
    bank = build_masks(scene, [0, 1, 2], proposer, encoder, cache)
    photos = [name for name, before in zip(happened, ["", *happened], strict=False) if name != before]
    assert happened[:2] == ["begun", "begun"]
    assert photos == ["begun", "crops"] * 2
    assert len(bank) == 3


def test_the_second_time_nothing_is_made(make_scene, quarters, colours, cache):
    scene = make_scene(*SIZES)
    first = build_masks(scene, [0, 1, 2], quarters(), colours(), cache)
    proposer, encoder = quarters(), colours()
    again = build_masks(scene, [0, 1, 2], proposer, encoder, cache)
    assert (proposer.photos, encoder.crops) == (0, 0)
    assert (again.report.photos, again.report.seconds, again.report.reused_photos) == (0, 0.0, 3)
    assert_same(again, first)
    without = build_masks(scene, [0, 1, 2], proposer, None, cache)
    assert proposer.photos == 0
    assert all(masks.embeddings is None for masks in without)


def test_another_encoder_makes_only_embeddings_and_another_proposer_all(make_scene, quarters, colours, cache):
    scene = make_scene(*SIZES)
    build_masks(scene, [0, 1, 2], quarters(), None, cache)
    proposer, encoder = quarters(), colours()
    bank = build_masks(scene, [0, 1, 2], proposer, encoder, cache)
    assert (proposer.photos, encoder.crops, bank.report.photos) == (0, 18, 3)
    proposer, encoder = quarters(weights="6" * 64), colours()
    build_masks(scene, [0, 1, 2], proposer, encoder, cache)
    assert (proposer.photos, encoder.crops) == (3, 18)


def test_each_photo_is_decoded_once_for_both(make_scene, quarters, colours, cache, monkeypatch):
    decoded = []

    def counted(path, *arguments):
        decoded.append(path.name)
        return decode_image(path, *arguments)

    monkeypatch.setattr(transfers, "decode_image", counted)
    build_masks(make_scene(*SIZES), [0, 1, 2], quarters(), colours(), cache)
    assert sorted(decoded) == ["photo0.png", "photo1.png", "photo2.png"]


def test_what_may_not_be_used_is_in_no_mask(make_scene, quarters, colours, cache, tmp_path):
    scene = make_scene(*SIZES)
    plain = build_masks(scene, [0, 1], quarters(), colours(), cache)
    used = np.zeros((48, 64), dtype=np.uint8)
    used[2:, 34:] = 255  # of the two left quarters nothing is left
    Image.fromarray(used).save(tmp_path / "mask.png")
    masked = replace(scene, views=(replace(scene.views[0], mask_path=tmp_path / "mask.png"), *scene.views[1:]))
    proposer = quarters()
    bank = build_masks(masked, [0, 1], proposer, colours(), cache)
    assert proposer.photos == 1  # the other photo's masks are what they were
    proposed = quarters().propose(picture(scene.views[0]))
    kept = [1, 3, 4, 5]
    assert torch.equal(bank[0].dense(), proposed.masks[kept] & torch.from_numpy(used > 0))
    np.testing.assert_array_equal(bank[0].predicted_iou, proposed.predicted_iou[kept].numpy())
    assert bank[0].areas_px.min() >= MIN_AREA_PX
    assert len(bank[0].embeddings) == 4
    assert_same([bank[1]], [plain[1]])


def test_a_photo_may_have_no_masks(make_scene, quarters, colours, cache, tmp_path):
    Image.fromarray(np.zeros((48, 64), dtype=np.uint8)).save(tmp_path / "black.png")
    scene = make_scene(SIZES[0])
    scene = replace(scene, views=(replace(scene.views[0], mask_path=tmp_path / "black.png"),))
    for _ in range(2):
        (masks,) = build_masks(scene, [0], quarters(), colours(), cache)
        assert (len(masks), masks.dense().shape, masks.embeddings.shape) == (0, (0, 48, 64), (0, 13))


def test_a_torn_entry_is_made_again_and_nothing_foreign_is_touched(make_scene, quarters, colours, cache):
    scene = make_scene(*SIZES)
    whole = build_masks(scene, [0, 1, 2], quarters(), colours(), cache)
    entries = sorted(cache.rglob("*.safetensors"))
    assert len(entries) == 6
    foreign = [cache / "notes.txt", entries[0].parent / "mine.safetensors", entries[0].parent / ".hidden.tmp"]
    for path in foreign:
        path.write_text("keep me")
    for entry in entries:
        entry.write_bytes(entry.read_bytes()[:-7])
        bank = build_masks(scene, [0, 1, 2], quarters(), colours(), cache)
        assert bank.report.photos == 1
        assert_same(bank, whole)
    assert all(path.read_text() == "keep me" for path in foreign)


def test_interrupted_work_goes_on_where_it_stopped(make_scene, quarters, colours, cache):
    scene = make_scene(*SIZES)

    def ctrl_c(event):
        if event.stage == "masks" and event.done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_masks(scene, [0, 1, 2], quarters(), colours(), cache, ctrl_c)
    proposer, encoder = quarters(), colours()
    bank = build_masks(scene, [0, 1, 2], proposer, encoder, cache)
    assert bank.report.reused_photos == 1
    assert (proposer.photos, encoder.crops) == (2, 12)
    assert_same(bank, build_masks(scene, [0, 1, 2], quarters(), colours(), cache.with_name("other")))


def test_two_at_once_make_every_photo_once(make_scene, quarters, cache):
    scene, proposer, banks = make_scene(*SIZES), quarters(), []

    def work():
        banks.append(build_masks(scene, [0, 1, 2], proposer, None, cache))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert proposer.photos == 3
    assert sorted(bank.report.reused_photos for bank in banks) == [0, 3]


def test_progress_counts_photos_to_the_end(make_scene, quarters, cache):
    events = []
    build_masks(make_scene(*SIZES), [0, 1, 2], quarters(), None, cache, events.append)
    assert {event.stage for event in events} == {"photo digests", "feature cache", "masks"}
    masks = [event for event in events if event.stage == "masks"]
    assert [(event.done, event.total, event.unit) for event in masks] == [(n, 3, "photos") for n in range(4)]
    assert masks[1].eta_seconds > 0


def test_progress_goes_on_while_crops_are_encoded(make_scene, quarters, colours, cache):
    events = []
    build_masks(make_scene(*SIZES), [0, 1, 2], quarters(), colours(), cache, events.append)
    assert [event.done for event in events if event.stage == "masks"] == [0, 0, 1, 1, 2, 2, 3]


def test_embeddings_that_are_not_finite_are_not_kept(make_scene, quarters, colours, cache):
    encoder = colours()
    encoder.encode_images = lambda crops: torch.full((len(crops), 13), float("nan"))
    with pytest.raises(WeightsError, match=r"photo0\.png: the encoder's embeddings of this photo's masks are not"):
        build_masks(make_scene(SIZES[0]), [0], quarters(), encoder, cache)
    assert len(list(cache.rglob("*.safetensors"))) == 1  # the masks


def test_a_photo_that_cannot_be_read_is_named(make_scene, quarters, cache):
    scene = make_scene(*SIZES)
    scene.views[1].image_path.write_bytes(b"no photo")
    with pytest.raises(DataError, match=r"photo1\.png"):
        build_masks(scene, [0, 1, 2], quarters(), None, cache)


def test_views_are_given_once_and_at_least_one(make_scene, quarters, cache):
    for indices in ([], [0, 0]):
        with pytest.raises(ValueError, match="view_indices"):
            build_masks(make_scene(SIZES[0]), indices, quarters(), None, cache)
