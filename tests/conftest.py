"""Shape and type checks while the tests run: tests/test_shape_checks.py proves that they are on.

jaxtyping's command line option (`--jaxtyping-packages`) takes one package only where the checker has arguments: it
splits its list at the first comma. Hence its hook is installed here.
"""

import sys
from collections.abc import Iterator

import jaxtyping
import pytest
from jaxtyping import install_import_hook

CHECKED = ("langfield", "langfield_synthetic")

assert not sys.modules.keys() & set(CHECKED), "imported before this file, hence not checked"
# An int passes where a float is annotated, as PEP 484 has it.
install_import_hook(CHECKED, "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))")


@pytest.fixture
def types_unchecked() -> Iterator[None]:
    """As a program runs that nobody checks: wrong arguments get as far as the code itself."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
