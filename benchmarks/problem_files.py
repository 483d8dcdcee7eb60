"""Problems as JSON, to keep those on which a solver was once wrong.

Options that several columns share stand once. Only columns that presolve keeps are worth writing down.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from advisor.optimize.presolve import reduce
from advisor.optimize.problem import (
    ChangeCost,
    Column,
    Contingency,
    Problem,
    Routing,
    ServiceTerms,
    ServingOption,
)

KEPT = Path(__file__).parents[1] / "tests" / "optimize" / "proofs"
"""Problems on which a proof was once false; none of them leaves."""


def kept() -> dict[str, Problem]:
    """All of them by name."""
    return {path.stem: loaded(path.read_text(encoding="utf-8")) for path in sorted(KEPT.glob("*.json"))}


def dumped(problem: Problem) -> str:
    """As text, with what presolve keeps."""
    alive = {candidate.id for candidate in reduce(problem).candidates}
    columns = [column for column in problem.columns if column.id in alive]
    options: list[tuple[ServingOption, ...]] = []
    for column in columns:
        if column.options not in options:
            options.append(column.options)
    record = asdict(replace(problem, columns=()))
    record["options"] = [[asdict(option) for option in each] for each in options]
    record["columns"] = [
        {**asdict(replace(column, options=())), "options": options.index(column.options)}
        for column in columns
    ]
    return json.dumps(record, default=_plain, separators=(",", ":"), sort_keys=True) + "\n"


def _plain(value: object) -> Any:
    return sorted(value) if isinstance(value, frozenset) else str(value)


def loaded(text: str) -> Problem:
    """The problem of a text."""
    raw = json.loads(text)
    options = [tuple(_option(option) for option in each) for each in raw.pop("options")]
    routing, change, budget = raw["routing"], raw["change"], raw["budget_usd_per_hour"]
    return Problem(
        tuple(raw["demand_requests_per_s"]),
        tuple(raw["demand_labels"]),
        tuple(_column(column, options) for column in raw["columns"]),
        {pool: Decimal(units) for pool, units in raw["free_units"].items()},
        tuple(ServiceTerms(**terms) for terms in raw["services"]),
        None if raw["demand_service"] is None else tuple(raw["demand_service"]),
        None if routing is None else _routing(routing),
        tuple(_contingency(day) for day in raw["contingencies"]),
        tuple((kind, most) for kind, most in raw["most_distinct"]),
        None if budget is None else Decimal(budget),
        None
        if change is None
        else ChangeCost(
            Decimal(change["usd_per_added"]), Decimal(change["usd_per_removed"]), change["horizon_hours"]
        ),
    )


def _option(raw: dict[str, Any]) -> ServingOption:
    low = raw["low_requests_per_s"]
    return ServingOption(
        raw["tensor_parallel"],
        tuple(raw["requests_per_s"]),
        raw["service"],
        None if low is None else tuple(low),
    )


def _column(raw: dict[str, Any], options: list[tuple[ServingOption, ...]]) -> Column:
    return Column(
        raw["id"],
        Decimal(raw["usd_per_hour"]),
        raw["accelerators"],
        options[raw["options"]],
        tuple((pool, Decimal(units)) for pool, units in raw["draws"]),
        raw["max_instances"],
        raw["location"],
        tuple(raw["usd_per_request"]),
        tuple((kind, tuple(names)) for kind, names in raw["groups"]),
        raw["held"],
    )


def _routing(raw: dict[str, Any]) -> Routing:
    admits = frozenset((s, o, at) for s, o, at in raw["admits"])
    return Routing(tuple(raw["origins"]), tuple(map(tuple, raw["shares"])), admits)


def _contingency(raw: dict[str, Any]) -> Contingency:
    services = raw["services"]
    return Contingency(
        **{
            **raw,
            "only": frozenset(raw["only"]),
            "services": None if services is None else frozenset(services),
        }
    )
