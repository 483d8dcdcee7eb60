"""Programmes small enough to read, one per constraint family."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from optimize_builders import a_column, a_problem

from advisor.optimize import formulation
from advisor.optimize.formulation import Case, WorkCut
from advisor.optimize.presolve import reduce
from advisor.optimize.problem import (
    INSTANCE,
    ChangeCost,
    Column,
    Contingency,
    Routing,
    ServiceTerms,
    ServingOption,
)

if TYPE_CHECKING:
    from advisor.optimize.problem import Problem
    from advisor.optimize.reduced import Reduced

TWO_TYPES = a_problem(
    (2.0, 0.5),
    a_column("aws:us-east-1:g5", "1.01", (1.0, 0.5)),
    a_column("aws:us_east_1:p4", "3.67", (4.0, 1.0)),
)
TRICKLE = a_problem((1.0, 1e-9), a_column("a", "1", (1.0, 0.0)), a_column("b", "2", (1.0, 1.0)))
POOLS = a_problem(
    (8.0,),
    a_column("cheap", "1", (1.0,), draws={"aws:us-east-1:L-417A185B": "48", "aws:global:X": "1"}),
    a_column("dear", "2.5", (2.0,), draws={"aws:global:X": "1"}),
    free={"aws:us-east-1:L-417A185B": "192", "aws:global:X": "5"},
)
DEGREES = a_problem((4.0, 10.0), a_column("box", "20", {1: (1.0, 0.0), 4: (0.5, 10.0)}, accelerators=8))
ODD_BOX = a_problem((1.0, 1.0), a_column("box", "6", {1: (1.0, 0.0), 4: (0.0, 9.0)}, accelerators=6))


TWO_SERVICES = replace(
    a_problem((4.0, 10.0), Column("box", Decimal(20), 8, (
        ServingOption(1, (1.0, 0.0), 0), ServingOption(4, (0.0, 10.0), 1)))),
    services=(ServiceTerms("chat", min_replicas=2), ServiceTerms("code")),
    demand_service=(0, 1),
)  # fmt: skip
EAST_AND_WEST = replace(
    a_problem(
        (10.0,), replace(a_column("e", "1"), location="east"), replace(a_column("w", "2"), location="west")
    ),
    routing=Routing(
        ("us", "eu"), ((0.75, 0.25),), frozenset({(0, 0, "east"), (0, 0, "west"), (0, 1, "west")})
    ),
)
ZONES = replace(
    a_problem(
        (2.0,),
        replace(a_column("a", "1"), groups=(("zone", ("a",)),)),
        replace(a_column("b", "1.5", (2.0,)), groups=(("zone", ("b",)),)),
        replace(a_column("ab", "1.2"), groups=(("zone", ("a", "b")),)),
    ),
    contingencies=(
        Contingency("any zone", "zone", keeps=0.5),
        Contingency("an instance", INSTANCE),
    ),
)
HELD = replace(
    a_problem((2.0,), replace(a_column("old", "2"), held=1), a_column("new", "1")),
    change=ChangeCost(Decimal(10), Decimal(5), 100.0),
)
EGRESS = replace(
    a_problem((1.0,), replace(a_column("far", "1"), usd_per_request=(0.001,))), budget_usd_per_hour=Decimal(3)
)


def unreduced(problem: Problem) -> Reduced:
    return reduce(problem, dominance=False, merge=False)


def with_case(problem: Problem, *cases: Case) -> formulation.Programme:
    return formulation.cheapest_fleet(unreduced(problem), cases=cases)


PROGRAMMES = {
    "serve_demand": lambda: formulation.cheapest_fleet(unreduced(TWO_TYPES)),
    "replica_capacity": lambda: formulation.cheapest_fleet(unreduced(DEGREES)),
    "accelerator_packing": lambda: formulation.cheapest_fleet(unreduced(ODD_BOX)),
    "presence": lambda: formulation.cheapest_fleet(unreduced(TRICKLE)),
    "quota": lambda: formulation.cheapest_fleet(unreduced(POOLS)),
    "known_bound": lambda: formulation.cheapest_fleet(
        unreduced(TWO_TYPES), slices=4, at_least_usd_per_hour=3.5
    ),
    "stock_limit": lambda: formulation.least_additions(
        reduce(POOLS, enforce_limits=False),
        {"aws:us-east-1:L-417A185B": 1 / 48, "aws:global:X": 1.0, formulation.stock_label(1): 1.0},
        {1: 2},
    ),
    "balanced_routing": lambda: formulation.balanced_routing(
        unreduced(TWO_TYPES), (1, 1), {(0, 0): 1, (1, 0): 1}
    ),
    "most_served": lambda: formulation.most_served(unreduced(POOLS)),
    "min_replicas": lambda: formulation.cheapest_fleet(unreduced(TWO_SERVICES)),
    "serve_stream": lambda: formulation.cheapest_fleet(unreduced(EAST_AND_WEST)),
    "route": lambda: formulation.cheapest_fleet(unreduced(EAST_AND_WEST)),
    "left_standing": lambda: with_case(ZONES, Case(1, kinds=((0, 1),))),
    "most_kept": lambda: formulation.most_kept(unreduced(ZONES), Case(0, ("a",)), {0: 1, 1: 1}),
    "most_distinct": lambda: formulation.cheapest_fleet(
        unreduced(replace(ZONES, contingencies=(), most_distinct=(("zone", 1),)))
    ),
    "departure": lambda: formulation.cheapest_fleet(unreduced(HELD)),
    "budget": lambda: formulation.most_served(unreduced(EGRESS)),
    "enough_work": lambda: formulation.cheapest_fleet(
        unreduced(TWO_TYPES), cuts=[WorkCut({(0, 0): 3.0, (1, 0): 1.5}, 4.5)]
    ),
    "enough_served": lambda: formulation.cheapest_fleet(unreduced(EGRESS), at_least_served=0.75),
}
