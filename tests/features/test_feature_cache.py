import json
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langfield.core.errors import DataError
from langfield.features.cache import FeatureCache, default_cache_dir, entry_key

KEY = "ab" + "0" * 62
ROWS = np.arange(12, dtype=np.float16).reshape(4, 3)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    cache = FeatureCache(tmp_path_factory.mktemp("cache"))
    cache.store(KEY, ROWS)
    return cache, (cache.folder / "ab" / f"{KEY}.npy").read_bytes(), cache.folder / "ab" / f"{KEY}.npy"


def test_an_entry_comes_back(tmp_path):
    cache = FeatureCache(tmp_path / "new" / "folder")
    assert cache.load(KEY, (4, 3)) is None
    cache.store(KEY, ROWS)
    np.testing.assert_array_equal(cache.load(KEY, (4, 3)), ROWS)
    assert cache.load(KEY, (3, 4)) is None
    names = sorted(path.name for path in (cache.folder / "ab").iterdir())
    assert names == [f"{KEY}.json", f"{KEY}.npy"]  # and nothing temporary


@settings(deadline=None, max_examples=50)
@given(data=st.data())
def test_no_flipped_byte_and_no_truncation_is_ever_used(written, data):
    cache, whole, path = written
    if data.draw(st.booleans(), "truncate"):
        spoilt = whole[: data.draw(st.integers(0, len(whole) - 1))]
    else:
        at, flip = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(1, 255))
        spoilt = whole[:at] + bytes([whole[at] ^ flip]) + whole[at + 1 :]
    path.write_bytes(spoilt)
    assert cache.load(KEY, (4, 3)) is None
    path.write_bytes(whole)
    assert cache.load(KEY, (4, 3)) is not None


@pytest.mark.parametrize("manifest", [b"", b"{", b"[]", b"null", b'{"format": 1}', b"\xff\xfe"])
def test_a_bad_manifest_is_no_entry(tmp_path, manifest):
    cache = FeatureCache(tmp_path)
    cache.store(KEY, ROWS)
    (tmp_path / "ab" / f"{KEY}.json").write_bytes(manifest)
    assert cache.load(KEY, (4, 3)) is None
    cache.store(KEY, ROWS)
    assert cache.load(KEY, (4, 3)) is not None


def test_an_entry_under_another_ones_name_is_no_entry(tmp_path):
    cache, other = FeatureCache(tmp_path), "ab" + "1" * 62
    cache.store(KEY, ROWS)
    for suffix in (".npy", ".json"):
        (tmp_path / "ab" / f"{KEY}{suffix}").rename(tmp_path / "ab" / f"{other}{suffix}")
    assert cache.load(other, (4, 3)) is None


ARRAYS = {"runs": np.arange(6, dtype=np.uint32).reshape(3, 2), "score": np.array([0.5, 1.0], dtype=np.float32)}
KINDS = {"runs": (np.uint32, 2), "score": (np.float32, 1)}


def test_an_entry_of_named_arrays_comes_back(tmp_path):
    cache = FeatureCache(tmp_path)
    assert cache.load_arrays(KEY, KINDS) is None
    cache.store_arrays(KEY, ARRAYS)
    found = cache.load_arrays(KEY, KINDS)
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array)
    assert sorted(path.name for path in (tmp_path / "ab").iterdir()) == [f"{KEY}.json", f"{KEY}.safetensors"]


@pytest.mark.parametrize(
    "kinds",
    [
        {"runs": (np.uint32, 2)},
        KINDS | {"more": (np.float32, 1)},
        KINDS | {"runs": (np.int32, 2)},
        KINDS | {"score": (np.float32, 2)},
    ],
)
def test_an_entry_of_other_arrays_is_none(tmp_path, kinds):
    cache = FeatureCache(tmp_path)
    cache.store_arrays(KEY, ARRAYS)
    assert cache.load_arrays(KEY, kinds) is None


def test_no_flipped_byte_of_named_arrays_is_ever_used(tmp_path):
    cache = FeatureCache(tmp_path)
    cache.store_arrays(KEY, ARRAYS)
    path = tmp_path / "ab" / f"{KEY}.safetensors"
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert cache.load_arrays(KEY, KINDS) is None
        path.write_bytes(whole[:at])
        assert cache.load_arrays(KEY, KINDS) is None
    cache.store_arrays(KEY, ARRAYS)
    assert cache.load_arrays(KEY, KINDS) is not None


def test_objects_are_never_unpickled(tmp_path):
    """A pickle inside a .npy with a manifest to match is an error, not code that runs."""
    cache = FeatureCache(tmp_path)
    cache.store(KEY, ROWS)
    np.save(tmp_path / "ab" / f"{KEY}.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    from langfield.features.cache import _manifest_of

    manifest = _manifest_of(KEY, (tmp_path / "ab" / f"{KEY}.npy").read_bytes())
    (tmp_path / "ab" / f"{KEY}.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match="allow_pickle"):
        cache.load(KEY, (1, 1))


def test_a_full_disk_leaves_the_old_entry_and_says_so(tmp_path, monkeypatch):
    cache = FeatureCache(tmp_path)
    cache.store(KEY, ROWS)

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match=r"cannot be written \(No space left on device; \d+ MB free there\); make room"):
        cache.store(KEY, ROWS + 1)
    np.testing.assert_array_equal(cache.load(KEY, (4, 3)), ROWS)
    assert len(list((tmp_path / "ab").iterdir())) == 2


def test_a_cache_that_is_a_file_says_so(tmp_path):
    (tmp_path / "file").write_text("mine")
    cache = FeatureCache(tmp_path / "file")
    for write in (lambda: cache.store(KEY, ROWS), lambda: cache.table(1, 1).__enter__()):
        with pytest.raises(DataError, match="the feature cache cannot be written") as error:
            write()
        assert error.value.file == str(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_table_is_memory_mapped_and_leaves_no_file(tmp_path):
    cache = FeatureCache(tmp_path)
    with cache.table(6, 3) as table:
        table.put(2, ROWS)
        table.put(0, ROWS[:2] + 100)
        mapped = table.mapped()
    assert isinstance(mapped, np.memmap)
    np.testing.assert_array_equal(mapped[2:], ROWS)
    np.testing.assert_array_equal(mapped[:2], ROWS[:2] + 100)
    assert list(tmp_path.iterdir()) == []


def test_keys_tell_everything_apart():
    base = ("p", (4, 3), {"tiles": [1]}, {"weights": "w"})
    others = [("q", *base[1:]), ("p", (3, 4), *base[2:]), (*base[:2], {"tiles": [2]}, base[3]), (*base[:3], {"w": 1})]
    keys = {entry_key(*parts) for parts in (base, *others)}
    assert len(keys) == 5
    assert entry_key(*base) in keys


def test_where_the_cache_is(monkeypatch, tmp_path):
    monkeypatch.setenv("LANGFIELD_CACHE", str(tmp_path))
    assert default_cache_dir() == tmp_path / "features"
    monkeypatch.delenv("LANGFIELD_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_cache_dir() == tmp_path / ".cache" / "langfield" / "features"
