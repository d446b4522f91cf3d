"""Packed scenes: what comes back, how tars are split, and reading both forms together."""

import io
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from tests.training_mini.fake_scenes import write_scenes
from training.mini import pack
from training.mini.data import read_pictures


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scenes(tmp_path_factory.mktemp("fake"), scenes=5)


def test_packed_and_unpacked(scenes: Path) -> None:
    rgb, ids, meta = pack.sources_of(scenes)[0].read()
    made_rgb, made_ids, made_meta = pack.unpacked(pack.packed(rgb, ids, meta))
    assert np.array_equal(made_ids, ids)
    assert made_meta == meta
    assert made_rgb.shape == rgb.shape
    assert np.abs(made_rgb.astype(int) - rgb).mean() < 5


def test_without_the_number_of_views_pictures_are_three_to_four(scenes: Path) -> None:
    rgb, ids, meta = pack.sources_of(scenes)[0].read()
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(pack.packed(rgb, ids, meta))) as full, zipfile.ZipFile(made, "w") as bare:
        for name in ("meta.json", "rgb.jpg", "ids.png"):
            bare.writestr(name, full.read(name))
    assert np.array_equal(pack.unpacked(made.getvalue())[1], ids)


def test_packs_folders_and_reads_them(scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pack.main([str(scenes), str(tmp_path), "--megabytes=0.03", "--scenes=4", "--processes=1"])
    tars = sorted(tmp_path.glob("*.tar"))
    assert len(tars) > 1
    assert all(tar.stat().st_size <= 30_000 or len(pack.sources_of(tmp_path)) == 4 for tar in tars)
    assert [source.number for source in pack.sources_of(tmp_path)] == [0, 1, 2, 3]
    packed, plain = read_pictures(tmp_path), read_pictures(scenes)
    assert np.array_equal(packed.ids, plain.ids[: len(packed.ids)])
    assert np.array_equal(packed.background, plain.background[: len(packed.ids)])
    capsys.readouterr()
    both = read_pictures([tmp_path, scenes])
    assert both.numbers.tolist() == [0, 1, 2, 3, 4]
    assert capsys.readouterr().out.count("it is there twice") == 4


def test_a_torn_member_is_left_out(scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = pack.packed(*pack.sources_of(scenes)[1].read())
    list(pack.write_tars([("00001.zip", good), ("00002.zip", good[:500])], tmp_path, 10**6))
    shutil.copy(scenes / "00003.npz", tmp_path)
    assert sorted(read_pictures(tmp_path).numbers) == [1, 3]
    assert "left out pictures00.tar:00002.zip" in capsys.readouterr().out
