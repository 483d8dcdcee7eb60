"""Makes a problem smaller without changing its optimum."""

from __future__ import annotations

from advisor.optimize.presolve.reduce import reduce, unservable

__all__ = ["reduce", "unservable"]
