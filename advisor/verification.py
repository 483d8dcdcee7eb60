"""The use case behind ``advisor verify``: open the inputs a plan names, and check the plan against them.

No solver is imported here. What cannot be opened or is not the plan's own is said, never passed over.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from advisor.domain import Market
from advisor.errors import AdvisorError, DataError, UnknownName
from advisor.plan.verify import Against, Violation, check, families

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import timedelta
    from pathlib import Path

    from advisor.catalog.account import Account
    from advisor.catalog.facts import Facts
    from advisor.catalog.snapshot import Snapshot
    from advisor.domain import NoThroughput, Offer, Throughput
    from advisor.plan.plan import BucketLine, Inputs, Plan, Purchase, ServiceLine
    from advisor.plan.verify.against import Capacities, HeldTerms, Misfit, Shares
    from advisor.profiles.query import ProfileStore
    from advisor.profiles.replica import Replica


class PlanUntrue(AdvisorError):
    """A plan just made does not hold: a bug, never an answer."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What came of a check."""

    violations: tuple[Violation, ...]
    checked: tuple[str, ...]  #: families of checks that ran
    skipped: tuple[str, ...]  #: sentences: what could not be checked, and why

    @property
    def holds(self) -> bool:
        """Whether nothing was found."""
        return not self.violations


def verify_plan(
    plan: Plan, snapshot: str | Path | None = None, account_path: Path | None = None
) -> Verification:
    """Check a plan against the snapshot it names (or another), the facts and profiles at hand, an account.

    Raises:
        DataError: the snapshot is not at hand or not readable.
        InputFileError: a bad account file.
    """
    from advisor.catalog.account import load_account
    from advisor.catalog.facts import load_facts
    from advisor.catalog.store import advisor_home
    from advisor.profiles.own_store import FOLDER
    from advisor.profiles.query import ProfileStore
    from advisor.settings import load_settings

    prices = _prices(plan, snapshot)
    facts = load_facts()
    profiles = ProfileStore.load(own=advisor_home() / FOLDER)
    account = load_account(account_path, facts) if account_path is not None else None
    settings = load_settings(advisor_home())
    stale = {Market.ON_DEMAND: settings.on_demand_limit, Market.SPOT: settings.spot_limit}
    against = inputs_of(plan, prices, facts, profiles, account, stale)
    ran, _ = families(against)
    skipped = (*_skipped(plan, against, account), *_other_inputs(plan, facts, profiles))
    return Verification(tuple(check(plan, against)), ran, skipped)


def refuse_untrue(
    plan: Plan,
    prices: Snapshot,
    facts: Facts,
    profiles: ProfileStore,
    account: Account | None,
    stale_after: Mapping[Market, timedelta],
) -> None:
    """Check a plan that was just made against what it was made from.

    Raises:
        PlanUntrue: something does not hold.
    """
    found = check(plan, inputs_of(plan, prices, facts, profiles, account, stale_after))
    if found:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise PlanUntrue(
            f"the plan made does not hold, so it is not shown: {found[0].message}{more}. This is a bug of "
            f"the advisor: please report it with `{plan.command}` and snapshot {plan.inputs.snapshot_id}"
        )


def inputs_of(
    plan: Plan,
    prices: Snapshot,
    facts: Facts,
    profiles: ProfileStore,
    account: Account | None,
    stale_after: Mapping[Market, timedelta] | None = None,
) -> Against:
    """A plan's inputs as the verifier takes them: data, and questions to facts and profiles."""
    from advisor.catalog.freshness import ON_DEMAND_LIMIT, SPOT_LIMIT
    from advisor.catalog.quota import draws_under
    from advisor.profiles.interval import low_end

    limits = {limit.key: limit for limit in account.limits} if account is not None else None
    if limits is not None:
        never_granted = {key for key, limit in limits.items() if limit.limit == 0}
    else:
        never_granted = _as_if_never_granted(plan, facts)
    return Against(
        snapshot_id=prices.info.snapshot_id,
        offers=prices.offers,
        capacities=capacities_of(plan, facts, profiles),
        misfit=_misfit(facts),
        draws=lambda offer: draws_under(offer, facts.quota_pools, never_granted),
        limits=limits,
        account_is_the_plans=account is not None and account.sha256 == plan.inputs.account_sha256,
        workload_shares=_workload_shares(plan),
        names_accelerator=_names_accelerator(facts),
        refusal=_refusal(plan.inputs, facts, frozenset(limits or ())),
        stale_after=stale_after or {Market.ON_DEMAND: ON_DEMAND_LIMIT, Market.SPOT: SPOT_LIMIT},
        reserved=_reserved(plan, prices, account),
        held=_held(plan, account),
        discounts=_discounts(account),
        low=low_end(profiles.errors),
        interval=_interval(profiles),
        zones=lambda provider, region, instance_type: _zones(facts, provider, region, instance_type),
        in_places=_in_places(facts),
        may_serve=_may_serve(plan, facts),
        kg_co2e_per_hour=_emitted(facts),
    )


def _prices(plan: Plan, snapshot: str | Path | None) -> Snapshot:
    from advisor.catalog.store import open_snapshot

    if snapshot is not None:
        return open_snapshot(snapshot)
    named = plan.inputs.snapshot_id
    if not re.fullmatch(r"[\w.-]{1,100}", named) or named.endswith(".parquet"):
        raise DataError(
            f"the plan names no snapshot ({named[:60]!r} is not an id): say which with --snapshot"
        )
    try:
        return open_snapshot(named)
    except UnknownName as error:
        raise DataError(
            f"the plan rests on snapshot {named}, which is not at hand: put its file under "
            f"$ADVISOR_HOME/snapshots, or name a file or another snapshot with --snapshot"
        ) from error


def capacities_of(plan: Plan, facts: Facts, profiles: ProfileStore) -> Capacities:
    """Asks the profiles what a replica of a plan's service sustains within the SLO, ceilings included."""
    from advisor.profiles.engines import Engine
    from advisor.profiles.replica import Replica, Shape
    from advisor.profiles.traffic import under_ceiling

    def ask(
        service: ServiceLine, accelerator: str, tensor_parallel: int, buckets: Sequence[BucketLine]
    ) -> Sequence[Throughput | NoThroughput]:
        replica = Replica(
            facts.models[service.model], service.precision, facts.accelerators[accelerator],
            Shape(tensor_parallel), Engine.named(service.engine), traffic=service.traffic.traffic(),
        )  # fmt: skip
        sizes = [(bucket.input_tokens, bucket.output_tokens) for bucket in buckets]
        share = service.ceiling(accelerator, tensor_parallel)
        answers = profiles.throughputs(
            replica, sizes, service.stated_slo(), plan.inputs.evidence, for_replay=service.for_replay,
            idle=[bucket.idle_limits for bucket in buckets],
        )  # fmt: skip
        return [
            _refused(replica, service, bucket) or under_ceiling(answer, share)
            for bucket, answer in zip(buckets, answers, strict=True)
        ]

    return ask


def _refused(replica: Replica, service: ServiceLine, bucket: BucketLine) -> NoThroughput | None:
    """Why requests of a bucket do not fit on a replica, if so."""
    from advisor.profiles.replica import too_long

    hidden = service.traffic.reasoning_tokens
    tokens = math.ceil(bucket.input_tokens + bucket.output_tokens + hidden)
    return too_long(replica, tokens, math.ceil(bucket.input_tokens_max + bucket.output_tokens_max + hidden))


def _as_if_never_granted(plan: Plan, facts: Facts) -> set[str]:
    """Without the account: pools of preemptible quota that the plan's spot lines pass over."""
    passed = set()
    for line in plan.purchase:
        drawn = {draw.pool for draw in line.quota_draw}
        if line.market is Market.SPOT and drawn and plan.inputs.account_sha256 is not None:
            passed |= {
                f"{line.provider}:{line.region}:{pool.pool}"
                for pool in facts.quota_pools
                if pool.provider == line.provider and pool.pool not in drawn
            }
    return passed


def _held(plan: Plan, account: Account | None) -> dict[str, HeldTerms] | None:
    if account is None:
        return None
    return {
        one.id: (one.kind.value, one.instances, one.usd_per_hour_each, one.until)
        for one in account.reservations
        if one.runs(plan.created_at)
    }


def _discounts(account: Account | None) -> frozenset[str]:
    from advisor.catalog.reservations import HeldKind

    held = account.reservations if account is not None else ()
    return frozenset(one.id for one in held if one.kind is HeldKind.DISCOUNT)


def _reserved(plan: Plan, prices: Snapshot, account: Account | None) -> dict[str, tuple[Offer, int]] | None:
    from advisor.catalog.reservations import held_by

    if account is None:
        return None
    held = held_by(account.reservations, prices.offers, plan.created_at)
    return {offer.id: (offer, held.instances[offer.id]) for offer in held.offers}


def _interval(profiles: ProfileStore) -> Callable[[Throughput, str], tuple[float, float] | None]:
    from advisor.profiles.interval import interval_of

    def interval(figure: Throughput, accelerator: str) -> tuple[float, float] | None:
        found = interval_of(figure, accelerator, profiles.errors)
        return None if found is None else (found.low, found.high)

    return interval


def _zones(facts: Facts, provider: str, region: str, instance_type: str) -> Sequence[str]:
    asked = provider, region, instance_type
    rows = facts.zone_offerings.values()
    return next((r.zones for r in rows if (r.provider, r.region, r.instance_type) == asked), ())


def _in_places(facts: Facts) -> Callable[[Sequence[str], str], bool]:
    from advisor.catalog.residency import allowed_places
    from advisor.errors import UsageError

    def allows(patterns: Sequence[str], place: str) -> bool:
        try:
            return place in allowed_places(patterns, [place], facts.regions)
        except UsageError:
            return False

    return allows


def _may_serve(plan: Plan, facts: Facts) -> Callable[[ServiceLine, str, str], bool] | None:
    """From estimated distances; None where the plan used a measured matrix, which is not at hand."""
    from advisor.catalog.latency import Network

    if plan.inputs.latency_sha256 is not None:
        return None
    network, allows = Network(facts.regions), _in_places(facts)

    def may(service: ServiceLine, origin: str, place: str) -> bool:
        if service.residency and not allows(service.residency, place):
            return False
        if service.network_ms is None:
            return True
        trip = network.round_trip_ms(origin, place)
        return trip is not None and trip <= service.network_ms

    return may


def _emitted(facts: Facts) -> Callable[[Purchase], float | None]:
    from advisor.catalog.carbon import emission

    def emitted(line: Purchase) -> float | None:
        region = facts.regions.get(f"{line.provider}:{line.region}")
        chip = facts.accelerators.get(line.accelerator)
        if chip is None:
            return None
        return emission(chip, line.accelerators_per_instance, region, facts.grid).kg_co2e_per_hour

    return emitted


def _misfit(facts: Facts) -> Misfit:
    from advisor.profiles.memory import PRECISIONS, account, valid_tensor_parallel

    def ask(service: ServiceLine, accelerator: str, tensor_parallel: int) -> tuple[str, str] | None:
        model, chip = facts.models.get(service.model), facts.accelerators.get(accelerator)
        if model is None:
            return "memory", f"a known model; {service.model} is not"
        if chip is None:
            return "memory", f"a known accelerator; {accelerator} is not"
        if service.precision not in PRECISIONS:
            return "memory", f"a known precision; {service.precision} is not"
        if tensor_parallel not in valid_tensor_parallel(model, tensor_parallel):
            return "degree", f"a power of two that divides the heads of {model.id}"
        room = account(model, service.precision, chip, tensor_parallel, traffic=service.traffic.traffic())
        return None if room.fits else ("memory", room.detail)

    return ask


def _workload_shares(plan: Plan) -> Mapping[str, Shares] | None:
    """Shares of the named workloads; None where no service's workload is one of ours."""
    from advisor.workload.named import named_workload, workload_names

    known = set(workload_names())
    found: dict[str, Shares] = {}
    for service in plan.services:
        if service.workload in known:
            found[service.name] = {
                (b.input_tokens_min, b.input_tokens_max, b.output_tokens_min, b.output_tokens_max): b.share
                for b in named_workload(service.workload).workload.buckets
            }
    return found or None


def _names_accelerator(facts: Facts) -> Callable[[str, str], bool]:
    def names(pattern: str, accelerator: str) -> bool:
        try:
            return accelerator in {chip.id for chip in facts.accelerators_matching(pattern)}
        except UnknownName:
            return False

    return names


def _refusal(inputs: Inputs, facts: Facts, limited: frozenset[str]) -> Callable[[Offer], str | None]:
    from advisor.catalog.buyable import INCLUDABLE, screen
    from advisor.catalog.quota import pool_region, undetermined_pools

    include = frozenset(inputs.include) & frozenset(INCLUDABLE)

    def refusal(offer: Offer) -> str | None:
        found = screen(offer, include=include, allow_unknown_availability=inputs.allow_unknown_availability)
        if found is not None:
            return f"{found.reason}: {found.detail}"
        for pool in undetermined_pools(offer, facts.quota_pools):
            if f"{offer.provider}:{pool_region(pool, offer.region)}:{pool.pool}" in limited:
                return f"nobody states what it takes of {pool.pool}, which the account limits"
        return None

    return refusal


def _skipped(plan: Plan, against: Against, account: Account | None) -> list[str]:
    said = []
    if account is None:
        held = plan.inputs.account_sha256 is not None
        why = (
            "the plan was made with an account file; name it with --quota"
            if held
            else "none was named with --quota"
        )
        said.append(
            f"Limits of an account: {why}. Draws were checked against the free units the plan states."
        )
    elif not against.account_is_the_plans:
        said.append("Free units the plan states: the account file is not the one the plan was made with.")
    if account is None and any(line.market is Market.RESERVED for line in plan.purchase):
        said.append("Reserved lines: name the account file that holds them with --quota.")
    if plan.inputs.latency_sha256 is not None:
        said.append("Who may be served from where: the plan rests on a measured latency matrix.")
    if against.workload_shares is None:
        names = ", ".join(sorted({service.workload for service in plan.services})) or "none"
        said.append(f"Shares of the workload: {names} is not one of the shipped names.")
    return said


def _other_inputs(plan: Plan, facts: Facts, profiles: ProfileStore) -> list[str]:
    said = []
    if plan.inputs.facts_sha256 != facts.sha256:
        said.append(
            "The facts at hand are not those the plan was made with: memory and quotas were checked on these."
        )
    if plan.inputs.profiles_sha256 != profiles.profiles_sha256:
        said.append(
            "The profiles at hand are not those the plan was made with: capacities were checked on these."
        )
    return said
