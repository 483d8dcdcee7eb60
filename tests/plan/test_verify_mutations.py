"""Every way we could think of to spoil a plan is found, under the name it deserves."""

# ruff: noqa: E501 - tables that read across
from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_builder import a_plan_document, an_infeasible_document, stamped, the_inputs
from test_verify_rules import BROKEN as BROKEN_RULES

from advisor.plan.plan import Plan
from advisor.plan.verify import MEANINGS, check

Mutate = Callable[[dict[str, Any]], object]


def put(path: str, value: Any) -> Mutate:
    """Set the field at ``a.0.b``."""

    def mutate(document: dict[str, Any]) -> None:
        *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
        target: Any = document
        for part in parents:
            target = target[part]
        target[last] = value

    return mutate


def both(*mutations: Mutate) -> Mutate:
    """One after the other."""
    return lambda document: [mutate(document) for mutate in mutations]


def remove(path: str, index: int) -> Mutate:
    """Drop one item of a list."""

    def mutate(document: dict[str, Any]) -> None:
        target: Any = document
        for part in path.split("."):
            target = target[int(part) if part.isdigit() else part]
        del target[index]

    return mutate


def repeat(path: str, index: int) -> Mutate:
    """List one item of a list twice."""

    def mutate(document: dict[str, Any]) -> None:
        target: Any = document
        for part in path.split("."):
            target = target[int(part) if part.isdigit() else part]
        target.append(copy.deepcopy(target[index]))

    return mutate


ONE_MORE_A100 = both(
    put("purchase.1.instances", 2), put("purchase.1.usd_per_hour", "7.3468"), put("purchase.1.usd_per_month", "5363.16"),
    put("usd_per_hour", "15.3718"), put("usd_per_month", "11221.41"), put("purchase.1.utilization", 0.4),
)  # fmt: skip
A_BASELINE_BELOW_THE_BOUND = both(
    put("baselines.0.usd_per_hour", "5.8492"), put("baselines.0.saving_fraction", -1.0)
)

MUTATIONS: list[tuple[str, Mutate, str]] = [
    # money
    ("the total is a cent short", put("usd_per_hour", "11.6884"), "total"),
    ("the total is off in the eighth digit", put("usd_per_hour", "11.69840001"), "total"),
    ("a line costs less than count times price", put("purchase.0.usd_per_hour", "8.0249"), "line_total"),
    ("one more instance for the same money", put("purchase.0.instances", 3), "line_total"),
    ("a month of a line is a cent off", put("purchase.1.usd_per_month", "2681.59"), "month"),
    ("a month of the plan is rounded down", put("usd_per_month", "8539.82"), "month"),
    ("the month is missing", put("usd_per_month", None), "month"),
    # offers
    ("a lower price than the snapshot's", put("purchase.0.usd_per_hour_each", "4.0025"), "price"),
    ("a replaced price", put("purchase.0.usd_per_hour_each", "3.99"), "price"),
    ("another chip than the instance has", put("purchase.0.accelerator", "h100-sxm-80gb"), "offer_facts"),
    ("more chips than the instance has", put("purchase.0.accelerators_per_instance", 8), "offer_facts"),
    ("a better availability than stated", put("purchase.1.availability", "constrained"), "offer_facts"),
    ("a fresher price than collected", put("purchase.0.price_collected_at", "2026-10-27T05:00:00Z"), "offer_facts"),
    ("another source", put("purchase.0.price_source", "hearsay"), "offer_facts"),
    ("another price basis", put("purchase.0.price_basis", "list"), "offer_facts"),
    ("another vendor's item", put("purchase.0.price_evidence", "c" * 64), "offer_facts"),
    ("no vendor's item", put("purchase.0.price_evidence", None), "offer_facts"),
    ("a calmer interruption band", put("purchase.0.interruption", "<5%"), "offer_facts"),
    ("a flag nobody set", put("purchase.0.flags", ["secure_cloud"]), "offer_facts"),
    ("an instance type that is not sold", put("purchase.0.instance_type", "g6e.13xlarge"), "unknown_offer"),
    ("a zone without a price", put("purchase.0.zone", "us-east-1f"), "unknown_offer"),
    ("another snapshot", put("inputs.snapshot_id", "2026-10-20-0123456789ab"), "snapshot"),
    ("a retired offer", put("purchase.0.flags", ["retired"]), "not_buyable"),
    ("a shape sold only by reservation", put("purchase.0.flags", ["not_sold_this_way"]), "not_buyable"),
    ("a Local Zone nobody asked for", put("purchase.0.flags", ["local_zone"]), "not_buyable"),
    ("an estimated price nobody asked for", put("purchase.0.flags", ["estimated_price"]), "not_buyable"),
    ("stock that nobody states", put("purchase.1.availability", "unknown"), "not_buyable"),
    ("out of stock", put("purchase.1.availability", "unavailable"), "not_buyable"),
    # what was asked for
    ("a region not asked for", put("inputs.regions", ["aws:us-east-1"]), "region"),
    ("the same region of another provider", put("inputs.regions", ["aws:us-central1", "aws:us-*"]), "region"),
    ("a provider not asked for", put("inputs.providers", ["gcp"]), "provider"),
    ("a market not asked for", put("inputs.markets", ["on_demand"]), "market"),
    ("a chip not asked for", put("inputs.accelerators", ["l40s-*"]), "accelerator"),
    ("a chip left out", put("inputs.exclude_accelerators", ["a100-*"]), "accelerator"),
    ("dearer than the limit", put("inputs.max_usd_per_hour", "4"), "over_price_limit"),
    # listed twice
    ("a purchase line twice", repeat("purchase", 0), "duplicate"),
    ("an allocation twice", repeat("allocations", 2), "duplicate"),
    ("a load twice", repeat("allocations.0.load", 0), "duplicate"),
    ("a bucket twice", repeat("services.0.buckets", 2), "duplicate"),
    ("a service twice", repeat("services", 0), "duplicate"),
    ("a baseline twice", repeat("baselines", 0), "duplicate"),
    ("a catalog state twice", repeat("catalog", 0), "duplicate"),
    ("a quota pool twice", repeat("purchase.0.quota_draw", 0), "duplicate"),
    # serving
    ("a bucket half served", put("allocations.2.load.2.requests_per_s", 0.5), "demand"),
    ("a bucket not served", both(remove("allocations.1.load", 1), remove("allocations.2.load", 2)), "demand"),
    ("a bucket served twice over", put("allocations.2.load.0.requests_per_s", 6.0), "demand"),
    ("demand short by a part in a hundred thousand", put("allocations.0.load.0.requests_per_s", 3.99995), "demand"),
    ("load on a request size without demand", put("allocations.0.load.0.input_tokens_max", 500), "unknown_bucket"),
    ("load of a service that is not there", put("allocations.1.service", "embed"), "unknown_service"),
    ("load on an instance that is not bought", put("allocations.1.market", "on_demand"), "unknown_purchase"),
    ("load in a zone where nothing is bought", put("allocations.0.zone", None), "unknown_purchase"),
    ("an allocation without load", put("allocations.2.load", []), "idle"),
    ("a line that serves nothing", remove("allocations", 2), "idle"),
    ("one replica too many for the chips", put("allocations.0.replicas", 5), "packing"),
    ("a replica wider than the instance", put("allocations.2.tensor_parallel", 2), "packing"),
    ("a utilisation stated too low", put("allocations.0.utilization", 0.75), "utilization"),
    ("a line's utilisation stated too low", put("purchase.0.utilization", 0.5), "utilization"),
    ("busier than the headroom allows", put("services.0.headroom", 0.21), "headroom"),
    ("busier by a millionth", put("services.0.headroom", 0.200001), "headroom"),
    # throughput
    ("a capacity 1 % too high", put("allocations.2.load.0.capacity_requests_per_s", 4.04), "capacity"),
    ("a degree that was not profiled", put("allocations.1.tensor_parallel", 4), "no_capacity"),
    ("an SLO the chips cannot meet", both(put("services.0.tpot_ms", 40.0), put("services.0.slo", "mean TPOT ≤ 40 ms")),
     "no_capacity"),
    ("a degree the model cannot be split into", put("allocations.1.tensor_parallel", 3), "degree"),
    ("a model that does not fit", put("services.0.model", "Llama-3.1-70B"), "memory"),
    ("an estimate shown as measured", put("allocations.0.load.1.profile.kind", "measured"), "evidence"),
    ("an allocation as strong as its best load", put("allocations.0.profile.kind", "measured"), "evidence"),
    ("an unknown error shown as 5 %", put("allocations.2.load.2.profile.error_pct", 5.0), "profile"),
    ("a smaller error", put("allocations.0.load.1.profile.error_pct", 1.1), "profile"),
    ("another profile", put("allocations.2.load.0.profile.id", "m-a100-2"), "profile"),
    ("another profile source", put("allocations.2.load.0.profile.source", "bench 2030"), "profile"),
    ("an allocation's profile that no load has", put("allocations.1.profile.id", "s-other"), "profile"),
    ("weaker evidence than accepted", put("inputs.evidence", "simulated"), "evidence"),
    # service
    ("shares that do not sum to one", put("services.0.left_out_share", 0.1), "service"),
    ("a rate that is not its share", put("services.0.buckets.0.requests_per_s", 4.9), "service"),
    ("another rate than the buckets add up to", put("services.0.rate_requests_per_s", 12.0), "service"),
    ("SLO words that say something else", put("services.0.slo", "mean TPOT ≤ 100 ms"), "service"),
    ("a negative limit", put("services.0.ttft_ms", -1.0), "service"),
    ("edges the wrong way round", put("services.0.buckets.0.input_tokens_min", 300), "service"),
    ("a size outside its bucket", put("services.0.buckets.0.input_tokens", 251.0), "service"),
    ("shares moved between buckets", both(
        put("services.0.buckets.0.share", 0.4), put("services.0.buckets.1.share", 0.4)), "workload"),
    # quota
    ("fewer units than the instances take", put("purchase.0.quota_draw.0.units", "48"), "quota_draw"),
    ("a pool left out", put("purchase.0.quota_draw", []), "quota_draw"),
    ("a pool nobody draws on", put("purchase.0.quota_draw.0.pool", "L-DB2E81BA"), "quota_draw"),
    ("a pool of another region", put("purchase.0.quota_draw.0.region", "us-east-2"), "quota_draw"),
    ("another unit", put("purchase.0.quota_draw.0.unit", "gpu"), "quota_draw"),
    ("more free units than the account has", put("purchase.0.quota_draw.0.free_units", "512"), "quota_free"),
    ("a known limit shown as unknown", put("purchase.0.quota_draw.0.free_units", None), "quota_free"),
    ("an unknown limit shown as known", put("purchase.1.quota_draw.0.free_units", "8"), "quota_free"),
    ("more than is free", put("purchase.0.quota_draw.0.units", "144"), "quota_exceeded"),
    # status and proof
    ("optimal without proof", put("optimality.proved", False), "proof"),
    ("proof without optimal", put("status", "feasible"), "proof"),
    ("proved with a gap", both(put("optimality.lower_bound_usd_per_hour", 10.52856),
                               put("optimality.relative_gap", 0.1)), "proof"),
    ("a bound above the cost", put("optimality.lower_bound_usd_per_hour", 12.0), "lower_bound"),
    ("a bound that a smaller line refutes", both(
        ONE_MORE_A100, put("optimality.lower_bound_usd_per_hour", 15.3718)), "lower_bound"),
    ("a bound that a baseline refutes", A_BASELINE_BELOW_THE_BOUND, "lower_bound"),
    ("a gap smaller than it is", put("optimality.lower_bound_usd_per_hour", 11.5), "gap"),
    ("no proof at all", put("optimality", None), "status"),
    ("nothing bought", both(put("purchase", []), put("allocations", [])), "status"),
    ("a reason to fail in a plan that does not", put("reason", "no quota"), "status"),
    ("infeasible, but bought", put("status", "infeasible"), "status"),
    ("a blank total", put("usd_per_hour", None), "status"),
    # baselines
    ("no warning of stale prices", remove("warnings", 0), "warning"),
    ("no warning of spot", remove("warnings", 1), "warning"),
    ("a smaller share of spot", put("warnings.1", "6% of the cost is spot."), "warning"),
    ("no warning of what was not measured", remove("warnings", 2), "warning"),
    ("less of it estimated", put("warnings.2", "Throughput: 25% simulated, 2% estimated."), "warning"),
    ("a low end 1.5 times as high", put("allocations.0.load.1.capacity_low_requests_per_s", 1.2), "interval"),
    ("a high end that nobody knows", put("allocations.0.load.1.capacity_high_requests_per_s", None), "interval"),
    ("a saving in words that nothing was found for",
     put("exclusions.does_not_fit.saving_if_admitted", "would cost $1.00/h, 91% less"), "saving"),
    ("a larger saving", put("baselines.2.saving_fraction", 0.3), "baseline"),
    ("no saving stated", put("baselines.0.saving_fraction", None), "baseline"),
    ("an infeasible baseline with a price", put("baselines.0.status", "infeasible"), "baseline"),
    ("a priceless baseline called optimal", put("baselines.1.status", "optimal"), "baseline"),
    ("a saving against no fleet", put("baselines.1.saving_fraction", 0.9), "baseline"),
    # exclusions, ages, sources
    ("an unknown exclusion reason", lambda d: d["exclusions"].update(bad_luck=d["exclusions"].pop("does_not_fit")),
     "exclusions"),
    ("fewer exclusions than examples", put("exclusions.does_not_fit.examples", ["a", "b", "c", "d"]), "exclusions"),
    ("younger prices than they are", put("catalog.1.age_hours", 12.0), "catalog_age"),
    ("prices of the future", put("created_at", "2026-10-19T12:00:00Z"), "catalog_age"),
    ("a plan dated back", put("created_at", "2026-10-28T02:00:00Z"), "catalog_age"),
    ("no age of prices that are paid", remove("catalog", 1), "catalog_missing"),
    ("prices that are paid are missing", put("catalog.0.state", "missing"), "catalog_missing"),
    ("an age of another snapshot", put("catalog.0.snapshot_id", "2026-10-20-0123456789ab"), "catalog_state"),
    ("an oldest price that is not the oldest", both(
        put("catalog.0.collected_at", "2026-10-27T01:00:00Z"), put("catalog.0.age_hours", 35.0)), "catalog_state"),
    ("a newest price that is not there", put("catalog.0.newest_collected_at", "2026-10-27T07:00:00Z"),
     "catalog_state"),
    ("newest before oldest", put("catalog.0.newest_collected_at", "2026-10-26T00:00:00Z"), "catalog_state"),
    ("stale prices shown as fresh", put("catalog.1.state", "fresh"), "catalog_state"),
    ("another number of offers", put("catalog.0.offers", 4), "catalog_state"),
    ("a price without a source", put("purchase.0.price_source", ""), "source"),
    ("a throughput without a source", put("allocations.0.load.0.profile.source", " "), "source"),
    ("a throughput without a profile", put("allocations.0.profile.id", ""), "source"),
    ("a workload without a source", put("services.0.workload_source", ""), "source"),
    ("a plan without a snapshot", put("inputs.snapshot_id", ""), "source"),
    ("a proof without a solver", put("optimality.solver", ""), "source"),
]  # fmt: skip


def codes(document: dict[str, Any]) -> set[str]:
    """Codes of what does not hold in the document, against everything it was made from."""
    return {violation.code for violation in check(Plan.model_validate(document), the_inputs())}


def test_the_plan_made_by_hand_holds() -> None:
    assert check(Plan.model_validate(a_plan_document()), the_inputs()) == []


def test_a_plan_that_says_no_holds() -> None:
    assert check(Plan.model_validate(an_infeasible_document()), the_inputs()) == []


@pytest.mark.parametrize(("mutate", "code"), [pytest.param(m, c, id=name) for name, m, c in MUTATIONS])
def test_a_spoiled_plan_is_refused_even_with_a_fresh_id(mutate: Mutate, code: str) -> None:
    document = a_plan_document()
    mutate(document)
    found = codes(stamped(document))
    assert code in found
    assert "plan_id" not in found


@pytest.mark.parametrize(("mutate", "code"), [pytest.param(m, c, id=name) for name, m, c in MUTATIONS[:20]])
def test_an_edited_file_with_its_old_id_is_found_by_the_id_alone(mutate: Mutate, code: str) -> None:
    document = a_plan_document()
    mutate(document)
    assert {"plan_id", code} <= codes(document)


def test_an_infeasible_plan_must_say_why() -> None:
    assert codes(stamped(an_infeasible_document() | {"reason": None})) == {"status"}


def test_every_code_is_reached_by_a_mutation() -> None:
    elsewhere = {code for _, _, _, code in BROKEN_RULES} | {"not_survived", "case"}  # test_verify_rules
    assert set(MEANINGS) - {code for _, _, code in MUTATIONS} - elsewhere == {"plan_id"}


def test_a_baseline_is_held_against_the_bound_with_its_side_costs() -> None:
    """The bound is on the fleet and its egress: $11.6984 and $2; one type costs $13 and $1 of egress."""
    document = a_plan_document()
    document["side_costs"] = [{"name": "egress", "usd_per_hour": "2", "basis": "list"}]
    document["optimality"] |= {"lower_bound_usd_per_hour": 13.6984}
    document["baselines"][0] |= {"usd_per_hour": "13", "saving_fraction": 1 - 11.6984 / 13}
    assert "lower_bound" in codes(stamped(document))
    document["baselines"][0] |= {"side_usd_per_hour": 1.0}
    assert "lower_bound" not in codes(stamped(document))


def test_a_saving_in_words_is_the_baselines() -> None:
    """$5.8492 instead of $11.6984 is half."""
    document = a_plan_document()
    document["exclusions"]["availability_unknown"] = {
        "count": 1, "meaning": "m", "examples": [], "saving_if_admitted": "would cost $5.85/h, 50% less, with them"
    }  # fmt: skip
    assert codes(stamped(document)) == set()
    document["exclusions"]["availability_unknown"]["saving_if_admitted"] = "would cost $2.00/h, 83% less"
    assert codes(stamped(document)) == {"saving"}


def test_a_forged_id_is_refused() -> None:
    assert codes(a_plan_document() | {"plan_id": "0123456789ab"}) == {"plan_id"}


def numeric_fields(value: Any, path: str) -> list[tuple[str, Any]]:
    """(path, value) of every number below ``path``, decimal strings included."""
    if isinstance(value, dict):
        return [found for key, item in value.items() for found in numeric_fields(item, f"{path}.{key}")]
    if isinstance(value, list):
        return [
            found for index, item in enumerate(value) for found in numeric_fields(item, f"{path}.{index}")
        ]
    is_decimal = isinstance(value, str) and value.replace(".", "", 1).isdigit()
    return [(path, value)] if is_decimal or isinstance(value, int | float) else []


NUMBERS = [
    found for room in ("purchase", "allocations") for found in numeric_fields(a_plan_document()[room], room)
]


@settings(max_examples=150, deadline=None)
@given(field=st.sampled_from(NUMBERS), up=st.booleans(), share=st.floats(0.01, 0.5))
def test_no_number_of_a_purchase_or_an_allocation_can_be_changed(
    field: tuple[str, Any], up: bool, share: float
) -> None:
    """By one, where it is a count; by 1 % or more elsewhere."""
    path, value = field
    if isinstance(value, int):
        changed: Any = max(1, value + (1 if up else -1))
    else:
        changed = float(value) * (1 + share if up else 1 - share)
        if isinstance(value, str):
            changed = f"{changed:.8f}"
        elif path.endswith("utilization"):
            changed = min(changed, 1.0)
    document = a_plan_document()
    put(path, changed)(document)
    if changed != value:
        assert codes(stamped(document)) - {"plan_id"}
