"""Every built-in adapter against every scenario of the contract suite, over HTTP, as a Markdown table.

    python benchmarks/fault_matrix.py             prints the table
    python benchmarks/fault_matrix.py --check     says whether docs/fault-matrix.md is still true (exit 1 if not)
    python benchmarks/fault_matrix.py --write     writes docs/fault-matrix.md

Nothing here decides what is right: the contract suite does. This shows what came of each scenario.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "tests" / "providers"))  # the contract suite's adapters, servers and settings

from conftest import ADAPTERS, NOW, environment  # noqa: E402
