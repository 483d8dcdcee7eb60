"""Which GPUs to rent, where and how, to serve language models at the least cost.

Library entry points are imported on first use, so that ``import advisor`` costs nothing.
"""

from __future__ import annotations

__version__ = "0.1.0"
