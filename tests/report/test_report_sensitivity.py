"""What an answer hangs on: every swing is the optimum of a question asked anew, every cell the least cost."""

from __future__ import annotations

import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.append(str(Path(__file__).parents[1] / "recommendation"))

from recommendation_builders import NOW, ask, with_offers

from advisor.api import load_catalog
from advisor.domain import Market, NoThroughput, Slo
from advisor.profiles.engines import Engine
from advisor.profiles.replica import Replica, Shape
from advisor.recommendation.prepare import prepare
from advisor.recommendation.replan import request_of
from advisor.recommendation.sensitivity import cheapest_per_size, swings

if TYPE_CHECKING:
    from advisor.plan.plan import Plan
    from advisor.recommendation.findings import Catalog

CHIPS = ("l4-24gb", "l40s-48gb", "rtx-pro-6000-96gb")
RATE = 9.0


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


@pytest.fixture(scope="module")
def plan(catalog: Catalog) -> Plan:
    return ask(catalog, accelerators=CHIPS, rate_requests_per_s=RATE)


@pytest.fixture(scope="module")
def found(catalog: Catalog, plan: Plan) -> dict[str, tuple[Decimal | None, Decimal | None]]:
    prepared = prepare(request_of(plan), catalog, None, NOW)
    return {s.label: (s.low_usd_per_hour, s.high_usd_per_hour) for s in swings(plan, prepared)}


def cost(catalog: Catalog, rate: float = RATE) -> Decimal:
    found = ask(catalog, accelerators=CHIPS, rate_requests_per_s=rate).usd_per_hour
    assert found is not None
    return found


def test_demand_swings_to_what_asking_at_that_demand_costs(
    catalog: Catalog, found: dict[str, tuple[Decimal, Decimal]]
) -> None:
    assert found["Demand"] == (cost(catalog, RATE * 0.7), cost(catalog, RATE * 1.3))


def test_prices_swing_to_what_a_catalog_with_those_prices_costs(
    catalog: Catalog, plan: Plan, found: dict[str, tuple[Decimal, Decimal]]
) -> None:
    bought = {(line.provider, line.market) for line in plan.purchase}
    assert {label for label in found if label.startswith("Prices of ")} == {
        f"Prices of {provider} {market.value.replace('_', ' ')}" for provider, market in bought
    }
    for factor, place in ((Decimal("0.8"), 0), (Decimal("1.2"), 1)):
        moved = with_offers(
            catalog,
            [
                replace(o, usd_per_hour=o.usd_per_hour * factor)
                if (o.provider, o.market) == ("aws", Market.SPOT)
                else o
                for o in catalog.snapshot.offers
            ],
        )
        assert found["Prices of aws spot"][place] == cost(moved)


def test_slower_replicas_cost_what_that_much_more_demand_costs(
    catalog: Catalog, plan: Plan, found: dict[str, tuple[Decimal, Decimal]]
) -> None:
    error = max(load.profile.error_pct or 0 for a in plan.allocations for load in a.load) / 100
    slow, fast = found["Throughput of every replica (typical error)"]
    # Rates of replicas and demands scale alike: the stated error has four digits.
    assert slow == cost(catalog, RATE / (1 - round(error, 4)))
    assert fast == cost(catalog, RATE / (1 + round(error, 4)))


def test_swings_go_the_way_they_must(plan: Plan, found: dict[str, tuple[Decimal, Decimal]]) -> None:
    assert plan.usd_per_hour is not None
    for label, (low, high) in found.items():
        cheaper, dearer = (high, low) if label.startswith("Throughput") else (low, high)
        assert cheaper <= plan.usd_per_hour <= dearer, label


def test_each_size_is_won_by_the_least_cost_per_request(catalog: Catalog, plan: Plan) -> None:
    request = request_of(plan)
    service = request.services[0]
    edges_in, edges_out = (250, 2000), (100, 500)
    grid = cheapest_per_size(service, request, catalog, None, NOW, edges_in, edges_out)
    assert (len(grid.cells), len(grid.cells[0])) == (2, 2)
    offers = prepare(request, catalog, None, NOW).joined.candidates
    for row, tokens_in in zip(grid.cells, edges_in, strict=True):
        for cell, tokens_out in zip(row, edges_out, strict=True):
            costs = {}
            for candidate in offers:
                offer = candidate.offer
                for tensor_parallel in {degree.tensor_parallel for degree in candidate.degrees}:
                    replica = Replica(
                        catalog.facts.models[service.model], service.precision,
                        catalog.facts.accelerators[offer.accelerator], Shape(tensor_parallel),
                        Engine.named(service.engine),
                    )  # fmt: skip
                    (answer,) = catalog.profiles.throughputs(
                        replica, [(tokens_in, tokens_out)], service.slo, request.evidence
                    )
                    if isinstance(answer, NoThroughput):
                        continue
                    served = (
                        answer.requests_per_s * (int(offer.accelerators) // tensor_parallel) * 3600 * 0.85
                    )
                    costs[offer.id, tensor_parallel] = float(offer.usd_per_hour) / served * 1e6
            assert cell is not None
            assert float(cell.usd_per_million_requests) == pytest.approx(min(costs.values()), abs=0.01)
            ties = [key for key, usd in costs.items() if usd < min(costs.values()) + 0.01]
            assert cell.offer in {offer for offer, _ in ties}


def test_a_size_nobody_serves_is_blank(catalog: Catalog, plan: Plan) -> None:
    request = request_of(plan)
    hopeless = replace(request.services[0], slo=Slo(tpot_ms=0.001))
    grid = cheapest_per_size(hopeless, request, catalog, None, NOW, (250,), (100,))
    assert grid.cells == ((None,),)
