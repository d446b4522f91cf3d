"""Which langfield this is."""

from importlib.metadata import PackageNotFoundError, version


def package_version() -> str:
    """As installed; "0+source" where it runs from a source tree that is not."""
    try:
        return version("langfield")
    except PackageNotFoundError:
        return "0+source"
