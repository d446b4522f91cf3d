"""Which langfield this is, installed or not, and `python -m langfield`."""

import importlib.metadata
import subprocess
import sys

import pytest

import langfield
from langfield.core import version


def test_an_installed_one_says_its_version():
    assert version.package_version() == langfield.__version__ == importlib.metadata.version("langfield")


def test_a_source_tree_that_is_not_installed_says_so(monkeypatch: pytest.MonkeyPatch):
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(version, "version", missing)
    assert version.package_version() == langfield.__version__ == "0+source"


def test_the_module_is_the_command():
    words = [sys.executable, "-m", "langfield"]
    assert "query" in subprocess.run([*words, "--help"], capture_output=True, text=True, check=True).stdout
    wrong = subprocess.run([*words, "qurey"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert "query" in wrong.stderr
