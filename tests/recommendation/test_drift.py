"""A plan drifts for a reason, says which, and proposes a plan that holds; noise is no reason."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from recommendation_builders import NOW, a_price, an_account, ask, with_offers

from advisor.domain import Availability, Market
from advisor.errors import UsageError
from advisor.plan.plan import RuleLine
from advisor.plan.verify import check
from advisor.recommendation.drift import DEFAULT_THRESHOLD, drift
from advisor.recommendation.drift_noise import without_noise
from advisor.recommendation.drift_reasons import Kind
from advisor.verification import inputs_of

if TYPE_CHECKING:
    from advisor.catalog.account import Account
    from advisor.domain import Offer
    from advisor.plan.plan import Plan
    from advisor.recommendation.drift import Drift
    from advisor.recommendation.findings import Catalog

G_ON_DEMAND = "aws:us-east-1:L-DB2E81BA"
KEPT = "aws:us-east-1:g6e.xlarge:on_demand"
OTHER = "aws:us-east-1:g6e.2xlarge:on_demand"
A_DAY = timedelta(days=1)


def bought(**given: Any) -> Offer:
    """One L40S at 2 dollars: what every plan here buys."""
    return a_price(**given)


def other(usd_per_hour: str = "2.50", **given: Any) -> Offer:
    """The same card in another shape, so that as many of them serve as much."""
    return a_price(**{"instance_type": "g6e.2xlarge", "usd_per_hour": usd_per_hour, "vcpus": 8, **given})


@pytest.fixture(scope="module")
def plan(catalog: Catalog) -> Plan:
    made = ask(with_offers(catalog, [bought(), other()]))
    assert {line.offer_id for line in made.purchase} == {KEPT}
    return made


@pytest.fixture(scope="module")
def count(plan: Plan) -> int:
    return plan.purchase[0].instances


def later(
    catalog: Catalog, plan: Plan, *offers: Offer, account: Account | None = None, **given: Any
) -> Drift:
    """The verdict on a market of these offers."""
    given.setdefault("now", NOW)
    return drift(plan, with_offers(catalog, offers), account, given.pop("now"), **given)


def kinds(found: Drift) -> list[Kind]:
    return [reason.kind for reason in found.reasons]


def violations(catalog: Catalog, found: Drift, *offers: Offer) -> list[Any]:
    """What the verifier finds in the proposed plan."""
    assert found.new_plan is not None
    market = with_offers(catalog, offers)
    inputs = inputs_of(found.new_plan, market.snapshot, market.facts, market.profiles, account=None)
    return list(check(found.new_plan, inputs))


# --- it holds


def test_an_unchanged_market_is_no_reason(catalog: Catalog, plan: Plan) -> None:
    found = later(catalog, plan, bought(), other())
    assert (found.verdict, found.reasons, found.new_plan) == ("holds", (), None)
    assert found.kept_usd_per_hour == found.best_usd_per_hour == plan.usd_per_hour
    assert found.regret_usd_per_hour == 0


def test_every_price_halved_is_no_reason_though_the_plan_costs_less(catalog: Catalog, plan: Plan) -> None:
    found = later(catalog, plan, bought(usd_per_hour="1.00"), other("1.25"))
    assert found.verdict == "holds"
    assert found.kept_usd_per_hour == (plan.usd_per_hour or 0) / 2
    assert [move.change_fraction for move in found.prices] == [-0.5]


@pytest.mark.parametrize("seed", range(8))
def test_noise_of_two_percent_is_no_reason(catalog: Catalog, plan: Plan, seed: int) -> None:
    noise = random.Random(seed)
    prices = [f"{price * (1 + noise.uniform(-0.02, 0.02)):.4f}" for price in (2.00, 2.50)]
    assert later(catalog, plan, bought(usd_per_hour=prices[0]), other(prices[1])).verdict == "holds"


@pytest.mark.parametrize(("kept", "cheaper"), [("2.04", "1.96"), ("2.04", "2.00"), ("2.00", "1.96")])
def test_moves_of_two_percent_are_no_reason_even_between_fleets_of_one_price(
    catalog: Catalog, kept: str, cheaper: str
) -> None:
    """The worst that noise of 2 % can do: two of one price, one 2 % up, the other 2 % down."""
    tie = with_offers(catalog, [bought(), other("2.00", vcpus=4)])
    made = ask(tie)
    (line,) = made.purchase
    moved = {line.instance_type: kept}
    now = [
        replace(offer, usd_per_hour=Decimal(moved.get(offer.instance_type, cheaper)))
        for offer in tie.snapshot.offers
    ]
    found = later(catalog, made, *now, before=tie.snapshot)
    assert found.verdict == "holds"
    assert found.regret_fraction == pytest.approx(1 - float(cheaper) / float(kept))


@pytest.mark.parametrize(("kept", "verdict"), [("2.04", "holds"), ("2.05", "drift")])
def test_beyond_two_percent_a_move_is_no_noise(catalog: Catalog, kept: str, verdict: str) -> None:
    tie = with_offers(catalog, [bought(), other("2.00", vcpus=4)])
    made = ask(tie)
    now = [
        replace(o, usd_per_hour=Decimal(kept)) if o.id == made.purchase[0].offer_id else o
        for o in tie.snapshot.offers
    ]
    assert later(catalog, made, *now, before=tie.snapshot, threshold=0.02).verdict == verdict


@pytest.mark.parametrize(
    ("price", "noise"), [("2.04", True), ("2.05", False), ("1.96", True), ("1.95", False)]
)
def test_noise_is_two_percent_however_high_the_threshold(catalog: Catalog, price: str, noise: bool) -> None:
    before = with_offers(catalog, [bought()]).snapshot
    today = with_offers(catalog, [bought(usd_per_hour=price)]).snapshot
    (found,) = without_noise(today, before, threshold=0.5).offers
    assert found.usd_per_hour == (bought().usd_per_hour if noise else Decimal(price))


def test_many_small_moves_do_not_hide_a_large_one(catalog: Catalog, plan: Plan) -> None:
    made_on = with_offers(catalog, [bought(), other()]).snapshot
    found = later(catalog, plan, bought(usd_per_hour="2.03"), other("1.80"), before=made_on)
    assert kinds(found) == [Kind.REGRET]
    assert found.regret_without_noise == pytest.approx(1 - 1.80 / 2.00)


# --- keeping costs too much


@pytest.mark.parametrize(
    ("price", "verdict"), [("1.9600", "drift"), ("1.9601", "holds"), ("1.9599", "drift")]
)
def test_the_threshold_is_the_least_regret_that_counts(
    catalog: Catalog, plan: Plan, price: str, verdict: str
) -> None:
    """As many of the other shape serve as much, so the regret is 1 - price / 2.00."""
    assert later(catalog, plan, bought(), other(price), threshold=0.02).verdict == verdict


def test_regret_is_said_in_dollars_a_month_and_as_a_share(catalog: Catalog, plan: Plan, count: int) -> None:
    found = later(catalog, plan, bought(), other("1.50"))
    assert kinds(found) == [Kind.REGRET]
    assert found.regret_fraction == pytest.approx(0.25)
    assert found.regret_usd_per_hour == Decimal("0.50") * count
    figures = found.reasons[0].figures
    assert figures["regret_usd_per_month"] == Decimal("0.50") * count * 730
    assert figures["kept_usd_per_hour"] == Decimal("2.00") * count


def test_a_raise_of_the_held_price_is_found_and_named(catalog: Catalog, plan: Plan) -> None:
    raised = bought(usd_per_hour="4.00", collected_at=NOW + A_DAY, evidence="a" * 64)
    found = later(catalog, plan, raised, other(), now=NOW + A_DAY)
    kept = next(move for move in found.prices if move.offer == KEPT)
    assert (kept.before is not None, kept.now is not None, kept.change_fraction) == (True, True, 1.0)
    assert kept.before is not None
    assert kept.now is not None
    assert (kept.before.usd_per_hour, kept.before.collected_at) == (Decimal("2.00"), NOW)
    assert (kept.now.usd_per_hour, kept.now.collected_at) == (Decimal("4.00"), NOW + A_DAY)
    assert kept.now.evidence == "a" * 64


def test_the_price_of_a_new_line_is_told_then_and_now(catalog: Catalog, plan: Plan) -> None:
    made_on = with_offers(catalog, [bought(), other()]).snapshot
    found = later(catalog, plan, bought(), other("1.50"), before=made_on)
    entering = next(move for move in found.prices if move.offer == OTHER)
    assert entering.before is not None
    assert entering.before.usd_per_hour == Decimal("2.50")
    assert entering.change_fraction == pytest.approx(-0.4)
    forgotten = later(catalog, plan, bought(), other("1.50"), before=None)
    assert next(move for move in forgotten.prices if move.offer == OTHER).before is None


def test_a_change_that_costs_more_than_it_saves_is_no_reason(catalog: Catalog, plan: Plan) -> None:
    """Starting and stopping is spread over the horizon the plan states: 730 h; it saves 0.50 $/h each."""
    per_hour = Decimal("0.30")

    def with_cost(usd_per_hour: Decimal) -> Plan:
        held = ask(
            with_offers(catalog, [bought(), other()]),
        )
        (line,) = held.purchase
        from advisor.plan.migration import FleetChange, Migration

        migration = Migration(
            decision="change",
            fleet_source="hand-made",
            held_usd_per_hour=None,
            held_serves=False,
            best_usd_per_hour=Decimal(1),
            saving_usd_per_hour=None,
            threshold=0.0,
            one_off_usd=Decimal(0),
            usd_per_instance_started=usd_per_hour * 730,
            usd_per_instance_stopped=usd_per_hour * 730,
            horizon_hours=730.0,
            payback_hours=None,
            changes=[FleetChange(offer=line.offer_id, before=0, after=line.instances)],
            steps=[],
        )
        return held.model_copy(update={"migration": migration})

    assert later(catalog, with_cost(per_hour), bought(), other("1.50")).verdict == "holds"
    assert later(catalog, with_cost(per_hour / 2), bought(), other("1.50")).verdict == "drift"


# --- it can no longer be had


def test_an_offer_that_is_gone_is_a_reason_whatever_it_costs(
    catalog: Catalog, plan: Plan, count: int
) -> None:
    found = later(catalog, plan, other())
    assert kinds(found) == [Kind.OFFER_GONE]
    assert found.reasons[0].subject == KEPT
    assert found.kept_usd_per_hour is None
    assert found.regret_fraction is None
    assert found.new_plan is not None
    assert {line.offer_id: line.instances for line in found.new_plan.purchase} == {OTHER: count}
    assert next(move for move in found.prices if move.offer == KEPT).now is None


def test_one_zone_gone_is_found_though_the_type_is_sold_in_another(catalog: Catalog) -> None:
    def in_zone(zone: str, price: str) -> Offer:
        return bought(zone=zone, market=Market.SPOT, usd_per_hour=price)

    zones = [in_zone("use1-az1", "1.00"), in_zone("use1-az2", "1.10")]
    made = ask(with_offers(catalog, zones))
    found = later(catalog, made, zones[1])
    assert kinds(found) == [Kind.OFFER_GONE]
    assert "use1-az1" in found.reasons[0].subject


def test_a_superseded_price_is_nobodys_price(catalog: Catalog, plan: Plan) -> None:
    found = later(catalog, plan, bought(flags=("superseded",)), other())
    assert Kind.OFFER_GONE in kinds(found)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"availability": Availability.UNAVAILABLE}, "not_offered"),
        ({"flags": ("retired",)}, "retired"),
        ({"availability": Availability.UNKNOWN}, "availability_unknown"),
    ],
)
def test_what_can_no_longer_be_bought_is_a_reason(
    catalog: Catalog, plan: Plan, given: dict[str, Any], why: str
) -> None:
    found = later(catalog, plan, bought(**given), other())
    assert kinds(found)[0] is Kind.OFFER_WITHDRAWN
    assert found.reasons[0].figures["why"] == why


def test_a_quota_below_what_the_plan_draws_is_a_reason(catalog: Catalog, plan: Plan, count: int) -> None:
    """A g6e.xlarge draws 4 vCPUs of the pool; the plan fits exactly, then lacks one."""
    drawn = 4 * count
    enough = later(
        catalog,
        plan,
        bought(),
        other(),
        account=an_account(catalog, {G_ON_DEMAND: drawn}, {G_ON_DEMAND: drawn}),
    )
    assert enough.verdict == "holds"
    short = later(catalog, plan, bought(), other(), account=an_account(catalog, {G_ON_DEMAND: drawn - 1}))
    assert Kind.QUOTA_SHORT in kinds(short)
    reason = next(one for one in short.reasons if one.kind is Kind.QUOTA_SHORT)
    assert (reason.subject, reason.figures["drawn_units"]) == (G_ON_DEMAND, drawn)
    assert reason.figures["admitted_units"] == drawn - 1


def test_without_an_account_quotas_are_said_to_be_unchecked(catalog: Catalog, plan: Plan) -> None:
    assert "Quotas" in later(catalog, plan, bought(), other()).not_checked[0]


# --- it no longer serves, or breaks a rule


def test_throughput_that_was_overrated_is_a_reason(catalog: Catalog, plan: Plan, count: int) -> None:
    """A plan that believed in twice the throughput, and so bought one instance too few or more."""
    assert count >= 2
    overrated = plan.model_copy(
        update={
            "purchase": [
                line.model_copy(update={"instances": count // 2, "usd_per_hour": 2 * Decimal(count // 2)})
                for line in plan.purchase
            ],
            "allocations": [
                allocation.model_copy(
                    update={
                        "load": [
                            load.model_copy(
                                update={"capacity_requests_per_s": 2 * load.capacity_requests_per_s}
                            )
                            for load in allocation.load
                        ]
                    }
                )
                for allocation in plan.allocations
            ],
            "inputs": plan.inputs.model_copy(update={"profiles_sha256": "0" * 64}),
        }
    )
    found = later(catalog, overrated, bought(), other())
    assert kinds(found) == [Kind.NO_LONGER_SERVES]
    figures = found.reasons[0].figures
    then, now = (float(figures[f"capacity_{when}_requests_per_s"]) for when in ("then", "now"))
    assert now == pytest.approx(then / 2)
    assert "throughput profiles changed" in found.reasons[0].text
    assert found.new_plan is not None
    assert found.new_plan.purchase[0].instances == count
    assert found.regret_fraction is None


def test_a_rule_that_the_fleet_no_longer_obeys_is_named(catalog: Catalog, plan: Plan) -> None:
    """The fleet was sized to the brim, so it cannot lose an instance."""
    rule = RuleLine(kind="survive", text="survives the loss of any instance", lose="instance")
    found = later(catalog, plan.model_copy(update={"rules": [rule]}), bought(), other())
    assert kinds(found) == [Kind.RULE_BROKEN]
    assert "survives the loss of any instance" in found.reasons[0].text


def test_a_price_above_the_plans_own_limit_breaks_it(catalog: Catalog) -> None:
    made = ask(with_offers(catalog, [bought(), other()]), max_usd_per_hour=Decimal("2.20"))
    found = later(catalog, made, bought(usd_per_hour="2.30"), other("2.20"))
    assert kinds(found) == [Kind.RULE_BROKEN]
    assert found.reasons[0].figures["why"] == "over_price_limit"


def test_a_fleet_above_its_budget_breaks_it(catalog: Catalog, plan: Plan, count: int) -> None:
    budget = Decimal("2.10") * count
    made = ask(with_offers(catalog, [bought(), other()]), budget_usd_per_hour=budget)
    found = later(catalog, made, bought(usd_per_hour="2.20"), other("2.05"))
    assert kinds(found) == [Kind.RULE_BROKEN]
    assert found.reasons[0].figures["kept_usd_per_hour"] == Decimal("2.20") * count


def test_a_budget_that_never_paid_for_all_is_no_reason_by_itself(
    catalog: Catalog, plan: Plan, count: int
) -> None:
    """It pays for all but one instance, before and after prices that hardly move."""
    budget = Decimal("2.10") * (count - 1)
    made = ask(with_offers(catalog, [bought(), other("2.005")]), budget_usd_per_hour=budget)
    assert made.services[0].served_share < 1
    assert later(catalog, made, bought(usd_per_hour="2.01"), other("2.005")).verdict == "holds"
    found = later(catalog, made, bought(), other("1.50"))
    assert kinds(found) == [Kind.RULE_BROKEN]
    assert "serves more" in found.reasons[0].text


# --- prices too old to tell


def test_stale_prices_are_a_reason_only_beyond_the_limit(catalog: Catalog, plan: Plan) -> None:
    limit = timedelta(days=35)
    assert later(catalog, plan, bought(), other(), now=NOW + limit).verdict == "holds"
    found = later(catalog, plan, bought(), other(), now=NOW + limit + A_DAY)
    assert kinds(found) == [Kind.PRICES_STALE]
    assert found.reasons[0].figures["age_hours"] == 36 * 24
    assert found.new_plan is None


def test_a_stale_price_of_something_else_is_no_reason(catalog: Catalog, plan: Plan) -> None:
    month = timedelta(days=36)
    fresh = bought(collected_at=NOW + month)
    assert later(catalog, plan, fresh, other(), now=NOW + month).verdict == "holds"


# --- what is proposed


def test_the_proposed_plan_holds_and_says_how_to_get_there(catalog: Catalog, plan: Plan, count: int) -> None:
    market = (bought(), other("1.50"))
    found = later(catalog, plan, *market)
    assert violations(catalog, found, *market) == []
    assert found.new_plan is not None
    migration = found.new_plan.migration
    assert migration is not None
    assert migration.decision == "change"
    steps = [(step.action, step.offer, step.instances) for step in migration.steps]
    assert steps == [("start", OTHER, count), ("route", None, None), ("stop", KEPT, count)]


def test_the_proposed_plan_holds_in_its_turn(catalog: Catalog, plan: Plan) -> None:
    market = (bought(), other("1.50"))
    new = later(catalog, plan, *market).new_plan
    assert new is not None
    assert later(catalog, new, *market).verdict == "holds"


def test_no_fleet_at_all_is_a_reason_without_a_proposal(catalog: Catalog, plan: Plan) -> None:
    found = later(catalog, plan, a_price(instance_type="g4dn.xlarge", accelerator="t4-16gb"))
    assert kinds(found)[0] is Kind.INFEASIBLE
    assert Kind.OFFER_GONE in kinds(found)
    assert found.new_plan is None
    assert found.best_usd_per_hour is None


def test_an_empty_market_is_no_crash(catalog: Catalog, plan: Plan) -> None:
    assert kinds(later(catalog, plan))[0] is Kind.INFEASIBLE


def test_the_same_question_twice_has_the_same_answer_in_any_order(catalog: Catalog, plan: Plan) -> None:
    market = [bought(), other("1.50"), a_price(instance_type="g6e.4xlarge", usd_per_hour="1.50")]
    found = [later(catalog, plan, *order) for order in (market, market, market[::-1])]
    assert found[0].reasons == found[1].reasons == found[2].reasons
    assert found[0].prices == found[1].prices == found[2].prices
    assert len({one.new_plan.plan_id for one in found if one.new_plan is not None}) == 1


def test_the_default_threshold_is_the_documented_one() -> None:
    assert DEFAULT_THRESHOLD == 0.02


def test_a_plan_without_a_fleet_cannot_drift(catalog: Catalog, plan: Plan) -> None:
    empty = ask(with_offers(catalog, [bought()]), max_usd_per_hour=Decimal("0.01"))
    with pytest.raises(UsageError, match="nothing to keep"):
        later(catalog, empty, bought())


def test_reserved_capacity_needs_the_account_that_holds_it(catalog: Catalog, plan: Plan) -> None:
    reserved = [line.model_copy(update={"market": Market.RESERVED}) for line in plan.purchase]
    with pytest.raises(UsageError, match="--quota"):
        later(catalog, plan.model_copy(update={"purchase": reserved}), bought())


def test_a_refusal_to_buy_stale_does_not_stop_the_watch(catalog: Catalog, plan: Plan) -> None:
    """``on_stale: refuse`` is about recommending: drift must still say why."""
    from advisor.recommendation.replan import request_of

    asked = replace(request_of(plan), refuse_stale=True)
    late = NOW + timedelta(days=60)
    assert Kind.PRICES_STALE in kinds(later(catalog, plan, bought(), other("1.50"), now=late, asked=asked))
