"""What the package's front door holds."""

import importlib.metadata
import inspect

import langfield


def test_every_public_name_is_there_and_says_what_it_is():
    for name in langfield.__all__:
        assert inspect.getdoc(getattr(langfield, name)), name


def test_the_version_is_the_distributions():
    assert langfield.__version__ == importlib.metadata.version("langfield")
