"""Digests of files."""

import hashlib

import pytest

from langfield.core.files import file_sha256


def test_sha256_of_a_file(tmp_path):
    content = bytes(range(256)) * 5000
    (tmp_path / "a").write_bytes(content)
    assert file_sha256(tmp_path / "a") == hashlib.sha256(content).hexdigest()
    with pytest.raises(OSError, match="No such file"):
        file_sha256(tmp_path / "b")
