"""What holds for the whole suite: compiled code is kept, linear algebra has one thread, and what is fast.

``pytest -m fast`` runs the modules that say ``pytestmark = pytest.mark.fast`` (in every room the ones that
tell most of it in least time) and does not even read the others.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

# Every child process, and every worker for the assertions it rewrites, would compile all of the code anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# Workers share the cores already: a thread per core in each of them only waits for the others.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# How long a busy machine takes to draw an example says nothing of the test.
settings.register_profile("busy", suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Whether a file has nothing that ``-m fast`` would run."""
    if config.option.markexpr != "fast" or not collection_path.match("test_*.py"):
        return None
    return b"pytest.mark.fast" not in collection_path.read_bytes() or None
