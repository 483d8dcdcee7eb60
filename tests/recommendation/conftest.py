"""The shipped catalog, opened once: it is immutable."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from advisor.api import load_catalog

if TYPE_CHECKING:
    from advisor.recommendation.recommend import Catalog


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    """What ships with the package, whatever is published on this machine."""
    import catalogs

    (path,) = (Path(catalogs.__file__).parent / "snapshots").glob("*.parquet")
    return load_catalog(path)
