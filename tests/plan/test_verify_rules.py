"""Rules are verified without a solver: every case tried again, every figure recomputed.

The plan of plan_builder stands on 2 × 4 L40S in aws us-east-1a and 1 A100 in gcp us-central1, with 20 %
headroom. In accelerators that would carry all of a bucket (rate / capacity × degree / 0.8):

             small          middle                       large
L40S         5/2 /0.8 =     min(3/1, 3/2.5 × 2) /0.8 =   2/1.25 × 2 /0.8 =
             3.125          3.0                          4.0                  sum 10.125
A100         1.5625         0.625                        1.25                 sum  3.4375

The A100 is best used on the middle bucket, then on the large one (3.0/0.625 > 4.0/1.25 > 3.125/1.5625). With
n L40S and the A100, the share t of everything that can be served follows from

    A100: 0.625 t + 1.25 y = 1        L40S: 3.125 t + 4 (t - y) = n        so 9.125 t = n + 3.2

one instance of A lost   n = 4:  t = 7.2 / 9.125  = 0.7890
nothing lost             n = 8:  t = 11.2 / 9.125 = 1.2274, so demand may be 1.2274 times as high
the zone of A lost       the A100 alone: 1 / 3.4375 = 0.2909
gcp lost                 8 L40S: 8 / 10.125 = 0.7901
"""

# ruff: noqa: E501 - tables that read across
from __future__ import annotations

import copy
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_builder import A100, a_plan_document, an_offer, stamped, the_inputs
from scipy.optimize import linprog

from advisor.domain import Market
from advisor.plan.plan import Plan
from advisor.plan.verify import MEANINGS, check
from advisor.plan.verify.rerouting import least_served

if TYPE_CHECKING:
    from collections.abc import Callable

    from advisor.domain import Throughput

A = "aws:us-east-1/us-east-1a:g6e.12xlarge:spot"
B = "gcp:us-central1:a2-highgpu-1g:on_demand"


def with_rule(**rule: Any) -> dict[str, Any]:
    document = a_plan_document()
    document["rules"] = [{"text": "a rule", **rule}]
    return stamped(document)


def codes(document: dict[str, Any], **inputs: Any) -> list[str]:
    return [violation.code for violation in check(Plan.model_validate(document), the_inputs(**inputs))]


def survive(lose: str, keeps: float, **more: Any) -> dict[str, Any]:
    return with_rule(kind="survive", lose=lose, keeps=keeps, **more)


@pytest.mark.parametrize(
    ("lose", "share"),
    [
        ("instance", 0.7890),
        ("zone", 0.2909),
        ("region", 0.2909),
        ("provider", 0.2909),
        ("pool", 0.2909),
        ("spot", 0.2909),
    ],
)
def test_a_fleet_keeps_what_was_worked_out_by_hand_and_no_more(lose: str, share: float) -> None:
    assert codes(survive(lose, share - 0.001)) == []
    assert codes(survive(lose, share + 0.001)) == ["not_survived"]


def test_losing_two_instances_at_once_may_be_all_of_a_line() -> None:
    """Both of A: the A100 alone keeps 0.2909."""
    assert codes(survive("instance", 0.29, count=2)) == []
    assert "not_survived" in codes(survive("instance", 0.30, count=2))


def test_a_line_without_a_zone_goes_with_any_zone_that_sells_its_type() -> None:
    """B's one instance stands in one of three zones: losing that zone loses it.

    Without A's zone 0.2909 is kept, without one of B's 0.7901: the rule fails on A's alone up to 0.79.
    """

    def zones(provider: str, region: str, instance_type: str) -> list[str]:
        return ["us-central1-a", "us-central1-b", "us-central1-c"] if provider == "gcp" else []

    assert codes(survive("zone", 0.75), zones=zones) == ["not_survived"]
    found = check(Plan.model_validate(survive("zone", 0.80)), the_inputs(zones=zones))
    assert len(found) == 3  # a few of the four are told: us-east-1a and two of us-central1
    assert found[0].found.startswith("29.09%")
    assert all("us-central1" in violation.found for violation in found[1:])


def test_higher_demand_is_served_up_to_the_factor_worked_out_by_hand() -> None:
    assert codes(with_rule(kind="demand", demand_factor=1.22)) == []
    assert codes(with_rule(kind="demand", demand_factor=1.23)) == ["not_survived"]


def test_a_rules_own_headroom_replaces_the_services() -> None:
    """At full use 1.2274 becomes 1.2274 / 0.8 = 1.5343."""
    assert codes(with_rule(kind="demand", demand_factor=1.53, headroom=0.0)) == []
    assert codes(with_rule(kind="demand", demand_factor=1.54, headroom=0.0)) == ["not_survived"]


def test_doubt_tries_every_chip_at_its_low_end() -> None:
    """An A100 at half its speed takes 1.25 for the middle bucket: it serves 0.8 of it, L40S the rest of all:
    10.125 t = 8 + 3 × 0.8 = 10.4, enough. At a quarter it serves 0.4 of it: 10.125 t = 9.2, not enough.
    """

    def slow(factor: float) -> Callable[[Throughput, str], float]:
        return lambda figure, chip: figure.requests_per_s * (factor if chip == A100 else 1.0)

    assert codes(with_rule(kind="doubt", doubted=1), low=slow(0.5)) == []
    assert codes(with_rule(kind="doubt", doubted=1), low=slow(0.25)) == ["not_survived"]


def test_a_case_that_promises_more_than_can_be_kept_is_a_lie() -> None:
    def stated(share: float) -> dict[str, Any]:
        case = {"case": "one of A lost", "lost_instances": {A: 1}, "doubted": [], "least_served_share": share}
        return survive("instance", 0.5, cases=[case])

    assert codes(stated(0.788)) == []
    assert codes(stated(0.790)) == ["case"]


def test_a_case_cannot_lose_what_is_not_bought() -> None:
    case = {"case": "three of A lost", "lost_instances": {A: 3}, "doubted": [], "least_served_share": 0.1}
    assert codes(survive("instance", 0.5, cases=[case])) == ["case"]


def test_a_rule_for_a_service_that_is_not_there_is_refused() -> None:
    assert codes(survive("zone", 0.1, services=["chat", "search"])) == ["rule"]


def rule(**fields: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        document["rules"] = [{"text": "a rule", **fields}]

    return change


def put(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        place: Any = document
        for key in parents:
            place = place[int(key) if key.isdigit() else key]
        place[int(last) if last.isdigit() else last] = value

    return change


def users(*lines: tuple[str, float, list[str]]) -> list[dict[str, Any]]:
    return [{"at": at, "share": share, "served_from": places} for at, share, places in lines]


PLACES = ["aws:us-east-1", "gcp:us-central1"]


def served_users(document: dict[str, Any]) -> None:
    """Half of everybody in the east and half in the west, each load split evenly."""
    document["services"][0]["users"] = users(("aws:us-east-1", 0.5, PLACES), ("aws:us-west-2", 0.5, PLACES))
    for allocation in document["allocations"]:
        for load in allocation["load"]:
            half = load["requests_per_s"] / 2
            load["origins"] = [
                {"origin": at, "requests_per_s": half} for at in ("aws:us-east-1", "aws:us-west-2")
            ]


def emitting(document: dict[str, Any]) -> None:
    """A: 2 × 4 × 0.35 kW = 2.8 kW at 400 g/kWh = 1.12 kg; B: 0.4 kW at 300 = 0.12 kg."""
    document["carbon"] = {
        "kg_co2e_per_hour": 1.24,
        "basis": "board power",
        "lines": [
            {"offer": A, "kw": 2.8, "g_co2e_per_kwh": 400.0, "kg_co2e_per_hour": 1.12},
            {"offer": B, "kw": 0.4, "g_co2e_per_kwh": 300.0, "kg_co2e_per_hour": 0.12},
        ],
    }


def moving(document: dict[str, Any]) -> None:
    """From three A to two A and one B: start B (12.0375 + 3.6734 = 15.7109), stop an A (11.6984).

    Held 3 × 4.0125 = 12.0375, best 11.6984: saves 0.3391. One start at $5 and one stop at $1: $6, which
    0.3391 an hour pays in 17.693896 hours.
    """
    # The three draw 144 vCPUs, so the 16 in use are theirs to give back: all 128 are free.
    document["purchase"][0]["quota_draw"][0]["free_units"] = "128"
    document["migration"] = {
        "decision": "change", "fleet_source": "fleet.yaml", "held_usd_per_hour": "12.0375", "held_serves": True,
        "best_usd_per_hour": "11.6984", "saving_usd_per_hour": 0.3391, "threshold": 0.01, "one_off_usd": "6",
        "usd_per_instance_started": "5", "usd_per_instance_stopped": "1", "horizon_hours": 0.0,
        "payback_hours": 17.69389560601592,
        "changes": [{"offer": A, "before": 3, "after": 2}, {"offer": B, "before": 0, "after": 1}],
        "steps": [
            {"action": "start", "offer": B, "instances": 1, "text": "Start.", "usd_per_hour": "15.7109"},
            {"action": "route", "offer": None, "instances": None, "text": "Route.", "usd_per_hour": "15.7109"},
            {"action": "stop", "offer": A, "instances": 1, "text": "Stop.", "usd_per_hour": "11.6984"},
        ],
        "unknown": [],
    }  # fmt: skip


def partly(document: dict[str, Any]) -> None:
    """A budget that leaves a fifth of the small bucket: 4 of 5 requests/s, so 9 of 10 in all."""
    document["rules"] = [{"text": "a cap", "kind": "budget", "usd_per_hour": "12"}]
    service = document["services"][0]
    service["served_share"], service["buckets"][0]["served_share"] = 0.9, 0.8
    first = document["allocations"][0]
    first["load"][0]["requests_per_s"] = 3.0
    # 3.0 / 2.0 + 1.2 / 1.0 = 2.7 of 4 replicas; the line is busy on 2.7 + 2.8 = 5.5 of 8 chips
    first["utilization"], document["purchase"][0]["utilization"] = 0.675, 0.6875
    document["warnings"] += [
        "The budget does not pay for all requests, only for 90.0%.",
        "Throughput behind the planned requests: 60% measured, 28% simulated, 13% estimated.",
    ]


HOLDING: list[tuple[str, Callable[[dict[str, Any]], None], dict[str, Any]]] = [
    ("a budget above the cost", rule(kind="budget", usd_per_hour="11.6984"), {}),
    ("as many types as there are", rule(kind="at_most", of="instance_type", at_most=2), {}),
    ("users served where they may be", served_users, {"may_serve": lambda *_: True}),
    ("emissions that add up", emitting, {}),
    ("a way from three A", moving, {}),
    ("a budget that leaves some unserved", partly, {}),
    ("as many replicas as asked for", put("services.0.min_replicas", 7), {}),
    ("a preference that is kept", rule(kind="prefer", places=["us-*"], tolerance=0.1, kept=True),
     {"in_places": lambda patterns, place: True}),
    ("a cap on emissions", rule(kind="carbon", kg_co2e_per_hour=0.3), {"kg_co2e_per_hour": lambda line: 0.1}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "inputs"), [(c, i) for _, c, i in HOLDING], ids=[n for n, _, _ in HOLDING]
)
def test_what_keeps_its_rules_holds(change: Callable[[dict[str, Any]], None], inputs: dict[str, Any]) -> None:
    document = a_plan_document()
    change(document)
    found = check(Plan.model_validate(stamped(document)), the_inputs(**inputs))
    assert [violation.message for violation in found] == []


def reserved(document: dict[str, Any]) -> None:
    """Line A is held, not bought: no draw on a quota, and nothing about the age of its price."""
    line = document["purchase"][0]
    line["market"], line["quota_draw"] = "reserved", []
    document["catalog"] = document["catalog"][1:]
    document["risk"] = None
    for allocation in document["allocations"][:2]:
        allocation["market"] = "reserved"


HELD = {"aws:us-east-1/us-east-1a:g6e.12xlarge:reserved": (an_offer(market=Market.RESERVED), 2)}
FEWER = {offer: (held, 1) for offer, (held, _) in HELD.items()}
DEARER = {offer: (an_offer(market=Market.RESERVED, usd_per_hour=Decimal(5)), 2) for offer in HELD}


def test_what_the_account_holds_may_run_and_without_an_account_nobody_can_say() -> None:
    document = a_plan_document()
    reserved(document)
    assert codes(stamped(document), reserved=HELD) == []
    assert codes(stamped(document), reserved=None) == []


BROKEN: list[tuple[str, list[Callable[[dict[str, Any]], None]], dict[str, Any], str]] = [
    # rules that are read off
    ("a budget below the cost", [rule(kind="budget", usd_per_hour="11.69")], {}, "over_budget"),
    ("a budget that names none", [rule(kind="budget")], {}, "rule"),
    ("one accelerator too many", [rule(kind="at_most", of="accelerator", at_most=1)], {}, "too_many"),
    ("one type too many", [rule(kind="at_most", of="instance_type", at_most=1)], {}, "too_many"),
    ("one provider too many", [rule(kind="at_most", of="provider", at_most=1)], {}, "too_many"),
    ("one region too many", [rule(kind="at_most", of="region", at_most=1)], {}, "too_many"),
    ("one zone too many", [rule(kind="at_most", of="zone", at_most=1)], {}, "too_many"),
    ("variety that names no kind", [rule(kind="at_most", at_most=1)], {}, "rule"),
    ("variety that names no number", [rule(kind="at_most", of="zone")], {}, "rule"),
    ("a loss that names nothing", [rule(kind="survive")], {}, "rule"),
    ("a preference without places", [rule(kind="prefer", tolerance=0.1, kept=False)], {}, "rule"),
    ("a preference without a price", [rule(kind="prefer", places=["eu-*"], kept=False)], {}, "rule"),
    ("a preference that says nothing", [rule(kind="prefer", places=["eu-*"], tolerance=0.1)], {}, "rule"),
    ("a preference that is not kept", [rule(kind="prefer", places=["eu-*"], tolerance=0.1, kept=True)],
     {"in_places": lambda patterns, place: place.startswith("eu")}, "elsewhere"),
    ("a rule that makes it cheaper", [rule(kind="demand", demand_factor=1.1, premium_usd_per_hour=-0.5)], {}, "rule"),
    ("a cap on emissions that is broken", [rule(kind="carbon", kg_co2e_per_hour=0.29)],
     {"kg_co2e_per_hour": lambda line: 0.1}, "emissions"),
    ("a cap on emissions nobody knows", [rule(kind="carbon", kg_co2e_per_hour=9.0)],
     {"kg_co2e_per_hour": lambda line: None}, "emissions"),
    ("a cap without a figure", [rule(kind="carbon")], {}, "rule"),
    # reservations
    ("a bill that does not add up", [put("bill_usd_per_hour", "99")], {}, "held"),
    ("held capacity that is left out", [], {"held": {"aws:x:y:reserved": ("capacity", 1, 1, None)}}, "held"),
    ("more than is held", [reserved], {"reserved": FEWER}, "reservation"),
    ("what nobody holds", [reserved], {"reserved": {}}, "reservation"),
    ("held at another price", [reserved], {"reserved": DEARER}, "price"),
    ("a reservation that draws on a quota", [reserved, put("purchase.0.quota_draw", [
        {"pool": "L-3819A6DF", "region": "us-east-1", "unit": "vcpu", "units": "96", "free_units": "112"}])],
     {"reserved": HELD}, "quota_draw"),
    # services
    ("too few replicas", [put("services.0.min_replicas", 8)], {}, "min_replicas"),
    ("a bucket dropped without a budget", [partly, put("rules", [])], {}, "served"),
    ("a share that does not add up", [partly, put("services.0.served_share", 0.95)], {}, "served"),
    ("more served than is left", [partly, put("allocations.0.load.0.requests_per_s", 4.0)], {}, "demand"),
    ("users that are more than all", [served_users, put("services.0.users.0.share", 0.6)], {}, "users"),
    ("users nobody serves", [served_users, put("allocations.0.load.0.origins", [])], {}, "users"),
    ("users served from out of reach", [served_users, put("services.0.users.1.served_from", PLACES[:1])], {}, "users"),
    ("a reach that the network does not give", [served_users],
     {"may_serve": lambda service, origin, place: origin == "aws:us-east-1"}, "users"),
    ("one origin served for another", [served_users,
     put("allocations.0.load.0.origins", [{"origin": "aws:us-east-1", "requests_per_s": 4.0}])], {}, "users"),
    # risk
    ("spot without a fallback", [put("risk", None)], {}, "risk"),
    ("a fallback that does not exist", [put("risk.fallbacks.0.fallback", "aws:us-east-1:p5.48xlarge:on_demand")], {}, "risk"),
    ("a fallback at another price", [put("risk.fallbacks.0.fallback_usd_per_hour_each", "9.99")], {}, "risk"),
    ("a fallback that is spot itself", [put("risk.fallbacks.0.fallback", A),
     put("risk.fallbacks.0.fallback_usd_per_hour_each", "4.0125")], {}, "risk"),
    ("a fallback for one instance of two", [put("risk.fallbacks.0.instances", 1)], {}, "risk"),
    ("another band", [put("risk.fallbacks.0.interruption", "<5%")], {}, "risk"),
    ("a worst case that is not", [put("risk.worst_usd_per_hour", "20")], {}, "risk"),
    ("an expectation too low", [put("risk.expected_usd_per_hour", "11.6984")], {}, "risk"),
    ("a fallback nobody needs", [put("risk.fallbacks.0.offer", B)], {}, "risk"),
    # side costs and emissions
    ("a side cost out of nowhere", [put("side_costs", [{"name": "egress", "usd_per_hour": "0.1", "basis": " "}])], {}, "side_cost"),
    ("a side cost the gap forgets", [put("side_costs", [{"name": "egress", "usd_per_hour": "1", "basis": "list"}])], {}, "gap"),
    ("emissions that are not power times grid", [emitting, put("carbon.lines.0.kg_co2e_per_hour", 1.0)], {}, "carbon"),
    ("emissions that do not add up", [emitting, put("carbon.kg_co2e_per_hour", 1.0)], {}, "carbon"),
    ("a line that does not emit", [emitting, put("carbon.lines", [])], {}, "carbon"),
    ("emissions the facts contradict", [emitting], {"kg_co2e_per_hour": lambda line: 9.0}, "carbon"),
    # migration
    ("a way to another fleet", [moving, put("migration.changes.0.after", 3)], {}, "migration"),
    ("a way that forgets a line", [moving, put("migration.changes", [{"offer": A, "before": 3, "after": 2}])], {}, "migration"),
    ("a way that ends elsewhere", [moving, put("migration.steps.2.instances", 2)], {}, "migration"),
    ("stopping what does not run", [moving, put("migration.steps.0.action", "stop")], {}, "migration"),
    ("starting what nobody planned", [moving, put("migration.steps.0.offer", "aws:us-east-1:g5.xlarge:spot")], {}, "migration"),
    ("a step that costs something else", [moving, put("migration.steps.1.usd_per_hour", "11.6984")], {}, "migration"),
    ("kept, yet changed", [moving, put("migration.decision", "keep")], {}, "migration"),
    ("a saving that is not", [moving, put("migration.saving_usd_per_hour", 1.0)], {}, "migration"),
    ("a one-off cost that is not", [moving, put("migration.one_off_usd", "5")], {}, "migration"),
    ("a payback that is not", [moving, put("migration.payback_hours", 1.0)], {}, "migration"),
    ("a change the gap forgets", [moving, put("migration.horizon_hours", 1.0)], {}, "gap"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "inputs", "code"), [(c, i, k) for _, c, i, k in BROKEN], ids=[n for n, _, _, _ in BROKEN]
)
def test_a_plan_that_breaks_a_rule_is_refused(
    changes: list[Callable[[dict[str, Any]], None]], inputs: dict[str, Any], code: str
) -> None:
    document = copy.deepcopy(a_plan_document())
    for change in changes:
        change(document)
    assert code in codes(stamped(document), **inputs)
    assert code in MEANINGS


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_rerouting_agrees_with_another_solver(seed: int) -> None:
    """The simplex of the verifier against scipy's, on pools that are short by chance."""
    chance = np.random.default_rng(seed)
    pools, demands = int(chance.integers(1, 7)), int(chance.integers(1, 25))
    need = chance.lognormal(-2, 1.5, (pools, demands))
    need[chance.random((pools, demands)) < 0.2] = np.inf
    room = chance.integers(0, 4, pools) * 0.017 * demands
    can = np.isfinite(need) & (room[:, None] > 0)
    p, b = np.nonzero(can)
    rows = np.zeros((demands + pools, len(p) + 1))
    rows[b, np.arange(len(p))] = -1
    rows[demands + p, np.arange(len(p))] = need[p, b]
    rows[:demands, -1] = 1
    right = np.concatenate([np.zeros(demands), room])
    goal = np.zeros(len(p) + 1)
    goal[-1] = -1
    expected = linprog(goal, A_ub=rows, b_ub=right, bounds=[(0, None)] * len(p) + [(0, 1)])
    assert least_served(need, room) == pytest.approx(-expected.fun, abs=1e-7)


def test_an_allocation_may_wait_for_a_bad_day_or_a_minimum_but_not_for_nothing() -> None:
    document = a_plan_document()
    document["allocations"][2]["load"] = []
    assert "idle" in codes(stamped(copy.deepcopy(document)))
    waiting = copy.deepcopy(document) | {"rules": [{"text": "a rule", "kind": "survive", "lose": "zone"}]}
    assert "idle" not in codes(stamped(waiting))
    document["services"][0]["min_replicas"] = 1
    assert "idle" not in codes(stamped(document))
