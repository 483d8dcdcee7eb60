"""Plans that hold: solve, replay one replica of every pool, lower what fails, raise what has slack, again.

The optimiser's capacities are what evidence says of a busy replica; whether requests that queue, batch and
interrupt each other are within their limits is what the replay of :mod:`advisor.simulate.pools` tells. A pool
that fails gets a ceiling, the share of its capacity at which its replay passes, and the fleet is solved for
again, until the replay of every service holds. The first solve has no ceilings: its bound is what no fleet
serves below, however full its replicas are run.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from advisor.domain import Ceiling
from advisor.errors import Infeasible, NoCandidates, SolverFailed
from advisor.plan.identity import identified
from advisor.plan.simulation import LimitVerdict, Simulation
from advisor.profiles.latency_metrics import busy_and_idle
from advisor.recommendation.assemble import refuse
from advisor.recommendation.prepare import Prepared, prepare
from advisor.recommendation.recommend import Draft, countdown, draft, finished, with_stale_spot
from advisor.recommendation.refusal import zones_not_named
from advisor.simulate.basis import basis_of, beyond_evidence
from advisor.simulate.pools import (
    WARM_UP_SHARE,
    Pool,
    PoolKey,
    PoolVerdict,
    holds_at,
    judge_pool,
    of_service,
    pools_of,
)
from advisor.simulate.replaying import ReplayInputs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from advisor.catalog.account import Account
    from advisor.domain import LatencyLimit, NoThroughput, Service
    from advisor.plan.plan import Plan
    from advisor.recommendation.findings import Catalog
    from advisor.recommendation.request import Request

MOST_ROUNDS: Final = 12
"""Solves, of which the first few do most."""

_REQUESTS: Final = 4000
"""Of a pool whose verdict is printed, a quarter where that leaves no doubt."""

_TRIED: Final = 2000
"""Of a pool at every load that is tried."""

_MARGIN: Final = 0.15
"""Of the misses that a limit allows, kept in hand when a load is looked for: a verdict is a sample too."""

_STEPS: Final = 5
"""Halvings of the way to a load that passes: to 3 % of the load."""

_SHARE: Final = 0.5
"""Of the time that is left, for one solve: others may follow, and the yardsticks."""

_LIGHT: Final = 0.7
"""Of the load planned: a pool that holds only below may be too slow for some sizes, however idle it is."""

_EXEMPT: Final = 0.7
"""Of the misses that percentiles allow, used up by the largest requests, however idle a replica is."""

_LEAST_GAIN: Final = 1.03
"""A ceiling is raised where it may be by more than this."""

_LEAST_SHARE: Final = 0.02
"""Of its capacity, at which a pool that still fails counts as one that never holds."""


_LEAST_S: Final = 0.5
"""What a solve may take though reading and replaying took the time: no time left is no word on fleets."""


@dataclass(frozen=True, slots=True)
class _Judged:
    """A draft and what its replay said."""

    draft: Draft
    pools: tuple[Pool, ...]
    verdicts: tuple[PoolVerdict, ...]
    services: dict[str, PoolVerdict]
    holds: bool


@dataclass
class _Loop:
    """The state of one search."""

    request: Request
    catalog: Catalog
    account: Account | None
    now: datetime
    attain: float | None  #: share of requests within all limits together
    seed: int
    time_left: Callable[[], float]
    ceilings: dict[PoolKey, float] = field(default_factory=dict)
    kept: frozenset[str] = frozenset()
    """Services whose requests are kept from replicas that are too slow for their size when idle."""
    slow: set[str] = field(default_factory=set)  #: services with a pool that holds at a light load alone
    rounds: int = 0

    def prepared(self) -> Prepared:
        """The problem under the ceilings."""
        services = tuple(_under(service, self.ceilings) for service in self.request.services)
        found = self.prepare(services)
        if not self.kept:
            return found
        strict = tuple(
            replace(s, idle_buckets=_asked_of_the_idle(s)) if s.name in self.kept else s
            for s in found.request.services
        )
        found = self.prepare(strict)
        if not (exempt := _reached_by_nobody(found)):
            return found
        return self.prepare(
            tuple(
                replace(s, idle_buckets=tuple(b for b in s.idle_buckets if (place, b) not in exempt))
                for place, s in enumerate(strict)
            )
        )

    def prepare(self, services: tuple[Service, ...]) -> Prepared:
        return prepare(replace(self.request, services=services), self.catalog, self.account, self.now)

    def judged(self, prepared: Prepared) -> _Judged:
        """Solve and replay.

        Raises:
            NoCandidates, Infeasible: no fleet serves.
            SolverFailed: nothing usable in time.
        """
        self.rounds += 1
        least = min(self.request.time_limit_s, _LEAST_S)
        made = draft(prepared, lambda: max(_SHARE * self.time_left(), least))
        pools = pools_of(made.plan(), ReplayInputs(self.catalog.facts, self.catalog.profiles))
        verdicts = [judge_pool(pool, self.attain, requests=_REQUESTS, seed=self.seed) for pool in pools]
        by_service: defaultdict[str, list[int]] = defaultdict(list)
        for place, pool in enumerate(pools):
            by_service[pool.key.service].append(place)
        seen = {
            name: of_service([pools[i] for i in mine], [verdicts[i] for i in mine])
            for name, mine in by_service.items()
        }
        holds = all(verdict.holds(self.attain) for verdict in seen.values())
        return _Judged(made, tuple(pools), tuple(verdicts), seen, holds)

    def lowered(self, found: _Judged) -> bool:
        """Give pools that fail a ceiling, those of services that hold left alone; whether any got one.

        Raises:
            NoCandidates: more requests than the limits let miss them are too large for any idle replica.
        """
        wanted: dict[PoolKey, float] = {}
        for pool, verdict in zip(found.pools, found.verdicts, strict=True):
            if found.services[pool.key.service].holds(self.attain) or verdict.holds(self.attain):
                continue
            multiple = self._load_that_holds(pool, 0.0, 1.0)
            if multiple < _LIGHT and pool.key.service not in self.slow:
                self.slow.add(pool.key.service)
                self.refuse_the_unreachable(pool.key.service)
            share = multiple * self._carried(pool, found)
            wanted[pool.key] = max(min(share, wanted.get(pool.key, 1.0)), _LEAST_SHARE)
        self.ceilings |= wanted
        return bool(wanted)

    def refuse_the_unreachable(self, name: str) -> None:
        """Raise NoCandidates where more requests of a service are beyond every idle replica than may miss."""
        everything = tuple(
            replace(s, idle_buckets=tuple(range(len(s.workload.buckets)))) if s.name == name else s
            for s in self.request.services
        )
        _reached_by_nobody(self.prepare(everything))

    def raised(self, found: _Judged) -> bool:
        """Give pools whose replay has slack a higher ceiling; whether any got one."""
        wanted: dict[PoolKey, float] = {}
        for pool in found.pools:
            ceiling = self.ceilings.get(pool.key, 1.0)
            carried = self._carried(pool, found)
            most = 1.0 / carried
            if ceiling >= 1.0 or most <= _LEAST_GAIN or pool.key in wanted:
                continue
            share = self._load_that_holds(pool, 1.0, min(most, 1.3)) * carried
            if share > ceiling * _LEAST_GAIN:
                wanted[pool.key] = min(share, 1.0)
        self.ceilings |= wanted
        return bool(wanted)

    def _carried(self, pool: Pool, found: _Judged) -> float:
        """Share of its full capacity that the ceiling of a pool would be, were it to stop at its load now."""
        service = next(s for s in found.draft.request.services if s.name == pool.key.service)
        return pool.load * self.ceilings.get(pool.key, 1.0) / (1.0 - service.headroom)

    def _load_that_holds(self, pool: Pool, low: float, high: float) -> float:
        """The largest multiple of a pool's load, of those tried, whose replay passes; ``low`` is taken to."""
        for _ in range(_STEPS):
            middle = (low + high) / 2
            holds = holds_at(pool, middle, self.attain, _MARGIN, requests=_TRIED, seed=self.seed + 1)
            low, high = (middle, high) if holds else (low, middle)
        return low


def recommend_replayed(
    request: Request,
    catalog: Catalog,
    account: Account | None,
    now: datetime,
    *,
    seed: int = 0,
) -> Plan:
    """The cheapest fleet found whose replay keeps the SLO, with the verdict; or why there is none.

    Args:
        request: as for :func:`~advisor.recommendation.recommend.recommend`.
        catalog: prices, facts and evidence.
        account: quotas held.
        now: what ages refer to.
        seed: of the replays.

    Raises:
        UnknownName, UsageError, StaleSnapshot, SolverFailed: as for ``recommend``.
    """
    loop = _loop(request, catalog, account, now, seed)
    found = _best(loop)
    if found.chosen is None:
        findings = loop.prepare(loop.request.services).findings
        if (older := with_stale_spot(request)) is not None and "stale_price" in findings.joined.held_back:
            return recommend_replayed(older, catalog, account, now, seed=seed)
        return refuse(findings, found.why + zones_not_named(findings))
    first = found.first or found.chosen
    return _with_verdict(finished(found.chosen.draft, loop.time_left), found.chosen, first, loop)


def held_request(request: Request, catalog: Catalog, account: Account | None, now: datetime) -> Request:
    """A request under the ceilings that its own plan was found to need; as it is where none are.

    What varies a question, or solves it hour by hour, works under them.

    Raises:
        UnknownName, UsageError, SolverFailed: as for ``recommend``.
    """
    if not any(service.for_replay for service in request.services):
        return request
    found = _best(_loop(request, catalog, account, now, 0))
    if found.chosen is None:
        return request
    under = {service.name: service for service in found.chosen.draft.request.services}
    if request.coverage_percent < 100:
        return replace(request, services=tuple(under.values()), coverage_percent=100.0)
    services = tuple(
        replace(service, ceilings=under[service.name].ceilings, idle_buckets=under[service.name].idle_buckets)
        for service in request.services
    )
    return replace(request, services=services)


def _loop(request: Request, catalog: Catalog, account: Account | None, now: datetime, seed: int) -> _Loop:
    services = tuple(replace(service, for_replay=True) for service in request.services)
    share = None if request.attain_percent is None else request.attain_percent / 100.0
    ceilings = {
        PoolKey(s.name, c.accelerator, c.tensor_parallel): c.share for s in services for c in s.ceilings
    }
    return _Loop(
        replace(request, services=services), catalog, account, now, share, seed,
        countdown(request.time_limit_s), ceilings,
    )  # fmt: skip


def _best(loop: _Loop) -> _Found:
    """Search; where replicas hold at light loads alone, again with no request where it is too slow."""
    asked = dict(loop.ceilings)
    found = _searched(loop, MOST_ROUNDS)
    services = loop.slow & {s.name for s in loop.request.services if _waits(s)}
    if services and loop.time_left():
        loop.kept, loop.ceilings = frozenset(services), asked
        other = _searched(loop, loop.rounds + MOST_ROUNDS)
        found = replace(min(found, other, key=_Found.rank), first=found.first)
    return found


@dataclass(frozen=True, slots=True)
class _Found:
    """What a search came to."""

    first: _Judged | None  #: the fleet at full load
    chosen: _Judged | None  #: None where no fleet serves
    why: str = ""

    def rank(self) -> tuple[bool, bool, float]:
        """Least is best: one that holds, one at all, the cheapest."""
        none = self.chosen is None
        holds = self.chosen is not None and self.chosen.holds
        return not holds, none, float("inf") if self.chosen is None else self.chosen.draft.usd_per_hour


def _searched(loop: _Loop, most_rounds: int) -> _Found:
    first: _Judged | None = None
    best: _Judged | None = None  # of those that hold
    try:
        while True:
            found = loop.judged(loop.prepared())
            first = first or found
            if best is not None and not found.holds:
                break  # what was raised was raised too far
            if found.holds and (best is None or found.draft.usd_per_hour < best.draft.usd_per_hour):
                best = found
            if loop.rounds >= most_rounds or not loop.time_left():
                break
            if not (loop.raised(found) if found.holds else loop.lowered(found)):
                break
    except (NoCandidates, Infeasible) as no:
        return _Found(first, best, _why(first, loop, no))
    except SolverFailed:
        if best is None:
            raise
    return _Found(first, best, "" if best else _nearest(found, loop))


def _nearest(found: _Judged, loop: _Loop) -> str:
    """Why there is no fleet although some were tried."""
    return (
        f"no fleet was found whose replay keeps the SLO, of {loop.rounds} tried; the last, at "
        f"${found.draft.usd_per_hour:,.4f}/h: {_all_misses(found, loop)}"
    )


def _why(first: _Judged | None, loop: _Loop, no: Exception) -> str:
    return str(no) if first is None else _never_holds(first, loop, no)


def _asked_of_the_idle(service: Service) -> tuple[int, ...]:
    """Buckets that an idle replica must be fast enough for; the largest may miss as percentiles let."""
    buckets = service.workload.buckets
    strictest = max((limit.statistic.share or 0.0 for limit in _waits(service)), default=0.0)
    spare = _EXEMPT * (1.0 - strictest) if strictest else 0.0
    asked = []
    for place in sorted(range(len(buckets)), key=lambda b: buckets[b].input_tokens, reverse=True):
        if buckets[place].share <= spare:
            spare -= buckets[place].share
        else:
            asked.append(place)
    return tuple(sorted(asked))


def _reached_by_nobody(found: Prepared) -> dict[tuple[int, int], NoThroughput]:
    """Buckets (of which service, which) that no idle replica in scope is fast enough for, and why.

    Raises:
        NoCandidates: they are more of a service's requests than a percentile lets miss its limit.
    """
    exempt = {}
    for number, why in found.joined.unserved.items():
        slow = [one for one in why if one.reason == "slo_unreachable"]
        demand = found.joined.demands[number]
        if slow:
            exempt[demand.service, demand.bucket] = slow[-1]
    for place, service in enumerate(found.request.services):
        shares = [service.workload.buckets[bucket].share for of, bucket in exempt if of == place]
        strictest = max((limit.statistic.share or 0.0 for limit in _waits(service)), default=0.0)
        if strictest and sum(shares) > 1.0 - strictest:
            largest = max(
                (b for of, b in exempt if of == place), key=lambda b: service.workload.buckets[b].share
            )
            raise NoCandidates(
                f"{service.name}: for {sum(shares):.1%} of requests every candidate is too slow even when "
                f"idle, and {service.slo} lets {1.0 - strictest:.1%} miss it; "
                f"{exempt[place, largest].detail}"
            )
    return exempt


def _waits(service: Service) -> tuple[LatencyLimit, ...]:
    """The limits that bind an idle replica too."""
    names = {limit.metric for limit in busy_and_idle(service.slo)[1].limits}
    return tuple(limit for limit in service.slo.limits if limit.metric in names)


def _under(service: Service, ceilings: Mapping[PoolKey, float]) -> Service:
    mine = sorted(
        (key.accelerator, key.tensor_parallel, share)
        for key, share in ceilings.items()
        if key.service == service.name
    )
    return replace(service, ceilings=tuple(Ceiling(*one) for one in mine))


def _never_holds(first: _Judged, loop: _Loop, why: Exception) -> str:
    """Why there is no fleet although full replicas would do: what their replay saw, and what then forbids."""
    return (
        f"the cheapest fleet at full load (${first.draft.usd_per_hour:,.4f}/h) does not hold in a replay "
        f"({_all_misses(first, loop)}), and with replicas as lightly loaded as their replays call for: {why}"
    )


def _all_misses(found: _Judged, loop: _Loop) -> str:
    several = len(found.services) > 1
    said = {name: _misses(verdict, loop) for name, verdict in found.services.items()}
    return "; ".join(f"{name}: {words}" if several else words for name, words in said.items() if words)


def _misses(verdict: PoolVerdict, loop: _Loop) -> str:
    said = [
        f"{seen.within:.1%} within {seen.limit}" if seen.limit.statistic.share is not None
        else f"mean {seen.limit.metric.upper()} {seen.mean_ms or 0:,.0f} ms, asked {seen.limit}"
        for seen in verdict.limits
        if not seen.holds()
    ]  # fmt: skip
    if loop.attain is not None and verdict.met < loop.attain:
        said.append(f"{verdict.met:.1%} within all limits, asked {loop.attain:.1%}")
    return ", ".join(said or ([] if verdict.keeps_up else ["requests queue without end"]))


def _with_verdict(plan: Plan, chosen: _Judged, first: _Judged, loop: _Loop) -> Plan:
    if not plan.allocations:
        return plan
    met = _share_met(chosen)
    verdict = Simulation(
        verdict="pass" if chosen.holds else "fail",
        target_percent=None if loop.attain is None else 100 * loop.attain,
        attained_percent=round(100 * met, 4),
        requests=sum(verdict.requests for verdict in chosen.verdicts),
        duration_s=round(_longest_s(chosen), 3),
        arrivals=list(dict.fromkeys(verdict.arrivals for verdict in chosen.verdicts)),
        seed=loop.seed,
        evidence=_rests_on(chosen),
        bottleneck=_all_misses(chosen, loop),
        limits=[
            LimitVerdict(
                service=name,
                metric=seen.limit.metric,  # type: ignore[arg-type]
                statistic=seen.limit.statistic,
                limit_ms=seen.limit.ms,
                mean_ms=seen.mean_ms,
                within_percent=round(100 * seen.within, 4),
                holds=seen.holds(),
            )
            for name, verdict in chosen.services.items()
            for seen in verdict.limits
        ],
        rounds=loop.rounds,
        full_load_usd_per_hour=_bound(first),
    )
    return identified(plan.model_copy(update={"simulation": verdict}))


def _longest_s(chosen: _Judged) -> float:
    """Of the replays behind a verdict, the first tenth included."""
    judged = zip(chosen.pools, chosen.verdicts, strict=True)
    return max(verdict.requests / pool.rate_per_s for pool, verdict in judged) / (1 - WARM_UP_SHARE)


def _rests_on(chosen: _Judged) -> str:
    groups = [pool.prepared.fleet.groups[0] for pool in chosen.pools]
    peaks = [verdict.peak_sequences for verdict in chosen.verdicts]
    basis = basis_of([(group, pool.replicas) for group, pool in zip(groups, chosen.pools, strict=True)])
    return " ".join((basis.sentence, *beyond_evidence(zip(groups, peaks, strict=True))))


def _bound(first: _Judged) -> Decimal:
    """What no fleet serves below, its replicas as full as the evidence allows."""
    return round(Decimal(first.draft.decision.solution.lower_bound_usd_per_hour), 8)


def _share_met(chosen: _Judged) -> float:
    rates = [pool.rate_per_s * pool.replicas for pool in chosen.pools]
    met = [verdict.met for verdict in chosen.verdicts]
    return sum(rate * share for rate, share in zip(rates, met, strict=True)) / sum(rates)
