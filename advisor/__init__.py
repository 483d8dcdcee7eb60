"""Which GPUs to rent, where and how, to serve language models at the least cost.

>>> from advisor import load_catalog, recommend
>>> plan = recommend(load_catalog(), regions=["aws:us-east-1"], rate_requests_per_s=16)
>>> plan.status
'optimal'

Library entry points are imported on first use, so that ``import advisor`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from advisor.version import __version__

if TYPE_CHECKING:
    from advisor.api import load_catalog, make_request, open_account, recommend
    from advisor.errors import AdvisorError
    from advisor.plan.plan import Plan
    from advisor.plan.read import read_plan
    from advisor.recommendation.findings import Catalog

_HOMES = {
    "load_catalog": "advisor.api",
    "make_request": "advisor.api",
    "open_account": "advisor.api",
    "recommend": "advisor.api",
    "AdvisorError": "advisor.errors",
    "Plan": "advisor.plan.plan",
    "read_plan": "advisor.plan.read",
    "Catalog": "advisor.recommendation.findings",
}

__all__ = [
    "AdvisorError",
    "Catalog",
    "Plan",
    "__version__",
    "load_catalog",
    "make_request",
    "open_account",
    "read_plan",
    "recommend",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'advisor' has no attribute {name!r}")
