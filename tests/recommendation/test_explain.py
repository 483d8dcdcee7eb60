"""An explanation is true: prices, speeds and quotas at which something flips are tried on the real answer."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from recommendation_builders import FIVE_CHIPS, NOW, a_price, an_account, ask, cost, with_offers

from advisor.domain import Market
from advisor.errors import DataError, SolverFailed, UnknownName, UsageError
from advisor.optimize.problem import SolveStatus
from advisor.plan.identity import identified
from advisor.recommendation.explain import Explainer
from advisor.recommendation.prepare import prepare
from advisor.recommendation.replan import request_of
from advisor.units import HOURS_PER_MONTH

if TYPE_CHECKING:
    from advisor.catalog.account import Account
    from advisor.plan.plan import Plan
    from advisor.recommendation.recommend import Catalog

G_ON_DEMAND = "aws:us-east-1:L-DB2E81BA"
ASKED: dict[str, Any] = {"accelerators": FIVE_CHIPS, "markets": ["on_demand"]}


def explaining(catalog: Catalog, plan: Plan, account: Account | None = None) -> Explainer:
    return Explainer(plan, prepare(request_of(plan), catalog, account, NOW))


def at_price_factor(catalog: Catalog, accelerator: str, factor: Decimal) -> Catalog:
    """Every offer of a chip at so much of its price."""
    offers = [
        replace(o, usd_per_hour=o.usd_per_hour * factor) if o.accelerator == accelerator else o
        for o in catalog.snapshot.offers
    ]
    return with_offers(catalog, offers)


def bought(plan: Plan) -> set[str]:
    return {line.accelerator for line in plan.purchase}


def test_every_flip_price_of_a_chip_is_true_on_either_side(catalog: Catalog) -> None:
    plan = ask(catalog, **ASKED)
    alternatives = [
        a for a in explaining(catalog, plan).explain().alternatives if a.grouping == "accelerator"
    ]
    flips = [a for a in alternatives if not a.in_plan and a.flip_price_factor is not None]
    assert len(flips) >= 2
    for a in flips:
        assert a.flip_price_factor is not None
        below = ask(at_price_factor(catalog, a.name, Decimal(repr(a.flip_price_factor * 0.99))), **ASKED)
        above = ask(at_price_factor(catalog, a.name, Decimal(repr(a.flip_price_factor * 1.01))), **ASKED)
        assert a.name in bought(below), a
        assert a.name not in bought(above), a
        assert a.flip_checked


def test_the_regret_of_a_chip_is_what_the_plan_would_cost_more_with_one_of_it(catalog: Catalog) -> None:
    """Two chips, one offer each: with one L40S forced, the rest is bought as if less were asked for.

    One instance of B serves everything, so the cheapest fleet with an A is A and B, or As alone.
    """
    a = a_price(instance_type="g6e.xlarge", usd_per_hour="2.00")
    b = a_price(instance_type="g7e.2xlarge", accelerator="rtx-pro-6000-96gb", usd_per_hour="3.00", vcpus=8)
    two = with_offers(catalog, [a, b])
    plan = ask(two, rate_requests_per_s=2.0)
    needed = {
        chip: ask(two, rate_requests_per_s=2.0, accelerators=[chip])
        for chip in (a.accelerator, b.accelerator)
    }
    (chosen,) = bought(plan)
    (other,) = {a.accelerator, b.accelerator} - {chosen}
    (found,) = explaining(two, plan).why_not(other)
    alone = needed[other].usd_per_hour
    assert plan.usd_per_hour is not None
    assert alone is not None
    price = {a.accelerator: a.usd_per_hour, b.accelerator: b.usd_per_hour}
    assert found.usd_per_hour_forced == min(alone, plan.usd_per_hour + price[other])
    assert found.regret_usd_per_hour == found.usd_per_hour_forced - plan.usd_per_hour


def test_what_would_replace_a_line_is_the_answer_without_it(catalog: Catalog) -> None:
    plan = ask(catalog, **ASKED)
    (line,) = explaining(catalog, plan).explain().lines
    rest = [o for o in catalog.snapshot.offers if o.id != line.offer]
    assert line.usd_per_hour_without == cost(with_offers(catalog, rest), **ASKED)


def test_a_line_stays_up_to_its_price_and_no_further(catalog: Catalog) -> None:
    plan = ask(catalog, **ASKED)
    (line,) = explaining(catalog, plan).explain().lines
    assert line.leaves_at_usd_per_hour_each is not None

    def with_line_at(price: Decimal) -> set[str]:
        offers = [
            replace(o, usd_per_hour=price) if o.id == line.offer else o for o in catalog.snapshot.offers
        ]
        return {bought.offer_id for bought in ask(with_offers(catalog, offers), **ASKED).purchase}

    assert line.offer in with_line_at(line.leaves_at_usd_per_hour_each * Decimal("0.99"))
    assert line.offer not in with_line_at(line.leaves_at_usd_per_hour_each * Decimal("1.01"))


def test_a_quota_is_worth_what_the_plan_costs_less_with_more_of_it(catalog: Catalog) -> None:
    few = an_account(catalog, {G_ON_DEMAND: 4})
    asked = ASKED | {"accelerators": ("l40s-48gb", "h100-sxm-80gb"), "rate_requests_per_s": 8.0}
    plan = ask(catalog, account=few, **asked)
    (value,) = explaining(catalog, plan, few).explain().quotas
    assert value.pool == G_ON_DEMAND
    more = an_account(catalog, {G_ON_DEMAND: 4 + int(value.added_units)})
    richer = cost(catalog, account=more, **asked)
    assert richer == value.usd_per_hour_with
    assert plan.usd_per_hour is not None
    per_unit = (plan.usd_per_hour - richer) * HOURS_PER_MONTH / value.added_units
    assert math.isclose(float(value.usd_per_month_per_unit), float(per_unit), abs_tol=0.005)
    assert value.usd_per_month_per_unit > 0


def test_the_text_of_an_increase_names_the_providers_own_quota_and_both_limits(catalog: Catalog) -> None:
    few = an_account(catalog, {G_ON_DEMAND: 4})
    asked = ASKED | {"accelerators": ("l40s-48gb", "h100-sxm-80gb"), "rate_requests_per_s": 8.0}
    (value,) = explaining(catalog, ask(catalog, account=few, **asked), few).explain().quotas
    assert "Running On-Demand G and VT instances (L-DB2E81BA) in us-east-1 from 4 to " in value.request_text
    assert value.request_text.startswith("AWS Service Quotas")


def test_a_type_that_no_quota_admits_says_which_and_how_much_would_do(catalog: Catalog) -> None:
    none_of_it = an_account(catalog, {"aws:us-east-1:L-417A185B": 0})
    dear = [
        a_price(usd_per_hour="50.00"),
        a_price(instance_type="p5.4xlarge", accelerator="h100-sxm-80gb", usd_per_hour="4.00", vcpus=16),
    ]
    two = with_offers(catalog, dear)
    plan = ask(two, account=none_of_it, rate_requests_per_s=2.0)
    (found,) = explaining(two, plan, none_of_it).why_not("h100")
    assert found.blocked_by == ("aws:us-east-1:L-417A185B: 0 free, one instance takes 16",)
    units = found.enters_with_units["aws:us-east-1:L-417A185B"]
    enough = an_account(catalog, {"aws:us-east-1:L-417A185B": units})
    assert "h100-sxm-80gb" in bought(ask(two, account=enough, rate_requests_per_s=2.0))


def test_a_coverage_in_the_tail_costs_what_the_answer_at_that_coverage_costs(catalog: Catalog) -> None:
    plan = ask(catalog, **ASKED)
    tails = [t for t in explaining(catalog, plan).explain().tail if t.what.startswith("--coverage")]
    assert tails
    for tail in tails:
        percent = float(tail.what.removeprefix("--coverage "))
        covered = ask(catalog, coverage_percent=percent, **ASKED)
        assert covered.usd_per_hour == tail.usd_per_hour_without
        assert covered.services[0].left_out_share == pytest.approx(tail.share)


def test_an_explanation_of_other_inputs_is_refused(catalog: Catalog) -> None:
    plan = ask(catalog, **ASKED)
    dearer = at_price_factor(catalog, plan.purchase[0].accelerator, Decimal(2))
    with pytest.raises(DataError, match="explain it with the snapshot"):
        explaining(dearer, plan)


def test_a_plan_without_a_fleet_has_nothing_to_explain(catalog: Catalog) -> None:
    plan = ask(catalog, tpot_ms=0.5)
    with pytest.raises(UsageError, match="infeasible"):
        explaining(catalog, plan)


def test_a_name_nobody_knows_is_refused(catalog: Catalog) -> None:
    with pytest.raises(UnknownName, match="h1000"):
        explaining(catalog, ask(catalog, **ASKED)).why_not("h1000")


def test_spot_that_was_not_asked_for_is_not_in_scope(catalog: Catalog) -> None:
    plan = ask(catalog, **ASKED)
    assert {line.market for line in plan.purchase} == {Market.ON_DEMAND}
    with pytest.raises(UnknownName):
        explaining(catalog, plan).why_not("spot")


def test_a_plan_that_stays_where_it_prefers_is_explained_within_those_places(catalog: Catalog) -> None:
    """$2.00 in Virginia, $1.90 in Ohio: staying costs a dime, and Ohio is not held against it."""
    offers = [
        a_price(),
        a_price(instance_type="g6e.2xlarge", usd_per_hour="2.10"),
        a_price(region="us-east-2", usd_per_hour="1.90"),
    ]
    prices = with_offers(catalog, offers)
    plan = ask(prices, rate_requests_per_s=1.0, prefer="us-east-1=10", regions=["aws:us-east-*"])
    assert plan.usd_per_hour == 2
    explanation = explaining(prices, plan).explain()
    (line,) = explanation.lines
    assert line.usd_per_hour_without == Decimal("2.10")
    assert any("no other place is compared" in note for note in explanation.notes)


def test_under_a_budget_the_figures_are_for_the_requests_it_serves(catalog: Catalog) -> None:
    """$2.50 pays for one L40S at $2 of the two needed; without that offer the same requests cost $2.10."""
    offers = [a_price(), a_price(instance_type="g6e.2xlarge", usd_per_hour="2.10")]
    prices = with_offers(catalog, offers)
    plan = ask(prices, rate_requests_per_s=20.0, budget_usd_per_hour=Decimal("2.50"))
    assert plan.usd_per_hour == 2
    assert plan.services[0].served_share < 1
    explanation = explaining(prices, plan).explain()
    (line,) = explanation.lines
    assert line.usd_per_hour_without == Decimal("2.10")
    assert line.leaves_at_usd_per_hour_each == Decimal("2.1000")
    assert any("budget" in note for note in explanation.notes)


def never(*_: object, **__: object) -> Any:
    raise AssertionError("nothing need be solved")


def out_of_time(*_: object, **__: object) -> Any:
    raise SolverFailed("no fleet was found in the time allowed")


def test_a_proved_plan_is_not_solved_again(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = ask(catalog, **ASKED)
    monkeypatch.setattr("advisor.recommendation.explain.solve", never)
    best = explaining(catalog, plan).best
    assert best.instances == {line.offer_id: line.instances for line in plan.purchase}
    assert best.proved
    rate = math.fsum(load.requests_per_s for a in plan.allocations for load in a.load)
    assert math.fsum(best.load_requests_per_s.values()) == pytest.approx(rate)


def test_where_the_solver_has_no_time_the_plan_stands_and_that_is_said(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unproved plan is solved again; what is found is never dearer than the plan."""
    plan = identified(ask(catalog, **ASKED).model_copy(update={"status": "feasible"}))
    monkeypatch.setattr("advisor.recommendation.explain.solve", out_of_time)
    explainer = explaining(catalog, plan)
    assert explainer.best.usd_per_hour == plan.usd_per_hour
    assert any("time ran out" in note for note in explainer.notes)


def test_questions_without_time_are_named_not_guessed(catalog: Catalog) -> None:
    plan = ask(catalog, **ASKED)
    prepared = prepare(request_of(plan), catalog, None, NOW)
    found = Explainer(plan, prepared, seconds=0.0).explain()
    assert (found.lines, found.quotas, found.tail) == ((), (), ())
    assert {f"line {line.offer_id}" for line in plan.purchase} <= set(found.unanswered)
    assert any("--full answers them all" in note for note in found.notes)


def test_ctrl_c_keeps_what_is_there(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes while the first alternative is asked about: the lines are answered, the rest is named."""

    def interrupted(*_: object, **__: object) -> Any:
        raise KeyboardInterrupt

    explainer = explaining(catalog, ask(catalog, **ASKED))
    monkeypatch.setattr(explainer.ask, "forced", interrupted)
    found = explainer.explain()
    assert len(found.lines) == len(explainer.plan.purchase)
    assert found.unanswered
    assert found.tail == ()
    assert any("before it was interrupted" in note for note in found.notes)


def test_what_is_not_proved_is_no_answer(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fleet that may be dearer than need be would make a regret that is none."""
    explainer = explaining(catalog, ask(catalog, **ASKED))
    best = explainer.best
    monkeypatch.setattr(
        "advisor.optimize.whatif.solve", lambda *_, **__: replace(best, status=SolveStatus.FEASIBLE)
    )
    found = explainer.explain()
    assert found.lines == ()
    assert len(found.unanswered) >= len(explainer.plan.purchase)
