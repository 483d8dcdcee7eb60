"""The library's front door, which the command line uses too: open the inputs, ask, get a plan.

This is where the outside world comes in: files are opened, names resolved and the clock read here, and
nowhere below.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypedDict, Unpack

from advisor.catalog.buyable import parse_include
from advisor.catalog.selection import parse_markets
from advisor.clock import now_utc
from advisor.domain import EvidenceKind, Market, SloStatistic
from advisor.errors import DataError, UnknownName, UsageError
from advisor.recommendation import recommend as _recommendation
from advisor.recommendation import request as _request
from advisor.recommendation.asking import first, services_of
from advisor.recommendation.asking_rules import policy_of
from advisor.recommendation.findings import Catalog
from advisor.recommendation.request import Request, checked_number
from advisor.units import MAX_USD_PER_HOUR

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from decimal import Decimal
    from pathlib import Path

    from advisor.catalog.account import Account
    from advisor.catalog.facts import Facts
    from advisor.catalog.snapshot import Snapshot
    from advisor.plan.plan import Plan
    from advisor.recommendation.commitment import Commitment
    from advisor.recommendation.drift import Drift
    from advisor.recommendation.explain import Explainer
    from advisor.recommendation.frontier import Frontier
    from advisor.workload.service import ServiceFile

LARGEST_TIME_LIMIT_S: Final = 86_400.0

Limits = float | str | Sequence[float | str] | None
"""Milliseconds at ``slo_statistic``, or texts such as ``p95=1000``; several bind together."""


class Question(TypedDict, total=False):
    """What may be asked; absent or None is taken from the service file, then from a documented default."""

    service_file: Path | None
    regions: Sequence[str] | None  #: ids or globs, ``aws:us-east-1`` for one provider's; none is every region
    near: Sequence[str] | None  #: ``REGION`` or ``REGION=KM``
    providers: Sequence[str] | None
    markets: Sequence[str] | None  #: ``on_demand``, ``spot`` or ``any``
    model: str | None
    precision: str | None
    engine: str | None
    workload: str | None  #: a name, a workload file or a trace
    rate_requests_per_s: float | None  #: or one of the next five; else the own rate of a workload file
    requests_per_minute: float | None
    users: float | None  #: at once, with ``think_time_s``
    think_time_s: float | None  #: from an answer to the same user's next request
    concurrency: float | None  #: requests in flight
    tokens_per_day: float | None  #: input and output together
    growth_factor: float | None  #: multiplies the demand, however it was said
    tpot_ms: Limits
    ttft_ms: Limits
    itl_ms: Limits
    slo_statistic: SloStatistic | None
    headroom: float | None
    coverage_percent: float | None
    accelerators: Sequence[str] | None
    exclude_accelerators: Sequence[str] | None
    instance_types: Sequence[str] | None  #: patterns such as ``g6*``, ``!community_*``
    max_usd_per_hour: Decimal | None
    allow_unknown_availability: bool
    include: Iterable[str] | None  #: ``fractional-gpu``, ``local-zone``, ``estimated-spot``
    evidence: EvidenceKind | None
    time_limit_s: float
    command: str
    e2e_ms: Limits  #: from arrival to the last token
    prefix_cache_hit_rate: float | None  #: 0 to below 1
    reasoning_tokens: float | None  #: hidden output tokens per request
    min_replicas: int | None
    survive: Sequence[str] | None  #: ``zone``, ``instance:2``, ``spot=0.5``
    demand_error: float | None  #: share by which demand may be higher
    doubt: int | None  #: accelerator types at once whose throughput is at its low end
    budget_usd_per_hour: Decimal | None
    at_most: Sequence[str] | None  #: ``providers=1``
    prefer: str | None  #: ``eu-*=5``: places, and by how many percent they may be dearer
    current: Path | None  #: a fleet file
    change_threshold_percent: float | None  #: what a change must save of what is paid now
    carbon: bool  #: estimate emissions
    replay: bool  #: hold the plan to its SLO by replays; else the optimum of the capacities alone
    attain_percent: float | None  #: of each service's requests that must be within all their limits together


def load_catalog(snapshot: str | Path | None = None) -> Catalog:
    """Open prices, facts and throughput evidence.

    Args:
        snapshot: an id or a file; None is the newest of those shipped and those in ``$ADVISOR_HOME``.

    Raises:
        DataError: the snapshot is unreadable or not what its name says.
    """
    from advisor.catalog.facts import load_facts
    from advisor.catalog.store import advisor_home, open_snapshot
    from advisor.profiles.own_store import FOLDER
    from advisor.profiles.query import ProfileStore

    profiles = ProfileStore.load(own=advisor_home() / FOLDER)
    return Catalog(open_snapshot(snapshot), load_facts(), profiles)


def open_account(path: Path | None, facts: Facts) -> Account | None:
    """The account file named, else ``$ADVISOR_HOME/account.yaml`` where there is one, else None.

    Raises:
        InputFileError: the file is not an account file.
    """
    from advisor.catalog.account import default_account_path, load_account
    from advisor.catalog.store import advisor_home

    if path is None:
        path = default_account_path(advisor_home())
        if path is None:
            return None
    return load_account(path, facts)


def recommend(
    catalog: Catalog | None = None,
    *,
    account: Account | None = None,
    now: datetime | None = None,
    **question: Unpack[Question],
) -> Plan:
    """The cheapest fleet that serves the question, as ``advisor recommend`` gives it.

    Args:
        catalog: from :func:`load_catalog`; None opens the newest.
        account: quotas held, from :func:`open_account`; None assumes them sufficient and says so.
        now: aware UTC time the ages of prices refer to; None is the present.

    Returns:
        A plan of status ``optimal``, ``feasible`` or ``infeasible``; the last says why.

    Raises:
        UsageError: a name that is not known, a number out of range, or a bad file.
        SolverFailed: the solver gave no usable answer.
        PlanUntrue: the plan made does not hold, which is a bug.
    """
    catalog = catalog or load_catalog()
    question.setdefault("replay", True)
    request = make_request(catalog.facts, **question)
    return recommended(request, catalog, account, now or now_utc())


def recommended(request: Request, catalog: Catalog, account: Account | None, now: datetime) -> Plan:
    """The answer to a request, held to its SLO by replays where it asks for that, and checked.

    Raises:
        PlanUntrue: the plan made does not hold, which is a bug.
    """
    from advisor.verification import refuse_untrue

    plan = _answered(request, catalog, account, now)
    stale = {Market.ON_DEMAND: request.on_demand_limit, Market.SPOT: request.spot_limit}
    refuse_untrue(plan, catalog.snapshot, catalog.facts, catalog.profiles, account, stale)
    return plan


def _answered(request: Request, catalog: Catalog, account: Account | None, now: datetime) -> Plan:
    if not any(service.for_replay for service in request.services):
        return _recommendation.recommend(request, catalog, account, now)
    from advisor.recommendation.closed_loop import MOST_ROUNDS, at_replayed_rate
    from advisor.recommendation.replayed import recommend_replayed

    plan = recommend_replayed(request, catalog, account, now)
    for _ in range(MOST_ROUNDS):
        again = at_replayed_rate(request, plan)
        if again is None:
            break
        request, plan = again, recommend_replayed(again, catalog, account, now)
    return plan


def make_request(facts: Facts, **question: Unpack[Question]) -> Request:
    """A request with every name resolved and every number checked.

    Raises:
        UsageError: a name that is not known, or a number out of range.
        InputFileError: a bad service or workload file.
    """
    from advisor.catalog.store import advisor_home
    from advisor.settings import load_settings

    path = question.get("service_file")
    file = _service_file(path) if path else None
    settings = load_settings(advisor_home())
    limit = question.get("max_usd_per_hour")
    for option, usd in (("--max-usd-per-hour", limit), ("--budget", question.get("budget_usd_per_hour"))):
        if usd is not None:
            _check_money(option, usd)
    services, notes = services_of(facts, question, file)
    attain = question.get("attain_percent")
    if attain is not None:
        checked_number("--attain", attain, above=0, at_most=100)
    if question.get("replay") or attain is not None:
        services = tuple(replace(service, for_replay=True) for service in services)
    return Request(
        services=services,
        regions=_names(question.get("regions"), file.regions if file else None),
        near=_names(question.get("near"), [file.near] if file and file.near else None),
        providers=_names(question.get("providers"), file.providers if file else None),
        markets=parse_markets(_names(question.get("markets"), file.markets if file else None)),
        accelerators=_names(question.get("accelerators"), file.accelerators if file else None),
        instance_types=_names(question.get("instance_types"), file.instance_types if file else None),
        exclude_accelerators=_names(
            question.get("exclude_accelerators"), file.exclude_accelerators if file else None
        ),
        evidence=EvidenceKind(
            first(question.get("evidence"), file.evidence if file else None, EvidenceKind.ESTIMATED)
        ),
        include=parse_include(question.get("include") or ()),
        allow_unknown_availability=question.get("allow_unknown_availability", False),
        max_usd_per_hour=limit if limit is not None or file is None else file.max_usd_per_hour,
        coverage_percent=first(question.get("coverage_percent"), None, 100.0),
        time_limit_s=checked_number(
            "--time-limit-s",
            question.get("time_limit_s", _request.DEFAULT_TIME_LIMIT_S),
            above=0,
            at_most=LARGEST_TIME_LIMIT_S,
        ),
        on_demand_limit=settings.on_demand_limit,
        spot_limit=settings.spot_limit,
        refuse_stale=settings.on_stale == "refuse",
        command=question.get("command", ""),
        policy=policy_of(facts, question, file, services),
        attain_percent=attain,
        notes=notes,
    )


def _check_money(name: str, usd: Decimal) -> None:
    whole = usd.is_finite() and 0 < usd <= MAX_USD_PER_HOUR and usd == round(usd, 8)
    if not whole:
        raise UsageError(
            f"{name} {usd} is not allowed; dollars above 0, at most {MAX_USD_PER_HOUR:,}, 8 decimals"
        )


def _service_file(path: Path) -> ServiceFile:
    from advisor.workload.service import load_service

    return load_service(path)


def _names(given: Sequence[str] | None, filed: Sequence[str] | None) -> tuple[str, ...]:
    return tuple(given or filed or ())


def explainer(
    plan: Plan,
    *,
    snapshot: str | Path | None = None,
    quota: Path | None = None,
    time_limit_s: float = 10.0,
    seconds: float = math.inf,
) -> Explainer:
    """A plan with the inputs it names, ready to be asked why.

    Args:
        plan: one with a fleet.
        snapshot: id or file; None is the one the plan names.
        quota: the account file the plan was made with; None is the default account where the plan used one.
        time_limit_s: for each single solve.
        seconds: for everything that is asked.

    Raises:
        DataError: the inputs are not at hand, or give another cost.
        UsageError: the plan is infeasible.
    """
    from advisor.recommendation.explain import Explainer
    from advisor.recommendation.prepare import prepare
    from advisor.recommendation.replan import request_of

    catalog = load_catalog(plan.inputs.snapshot_id if snapshot is None else snapshot)
    used_account = quota is not None or plan.inputs.account_sha256 is not None
    account = open_account(quota, catalog.facts) if used_account else None
    prepared = prepare(request_of(plan), catalog, account, plan.created_at)
    return Explainer(plan, prepared, time_limit_s=time_limit_s, seconds=seconds)


def frontier(
    over: str,
    values: Sequence[float] = (),
    *,
    plan: Plan | None = None,
    snapshot: str | Path | None = None,
    quota: Path | None = None,
    **question: Unpack[Question],
) -> Frontier:
    """The optimum at each value of one thing.

    Args:
        over: a key of :data:`advisor.recommendation.frontier.AXES`.
        values: where; empty takes a few sensible ones.
        plan: vary this plan's own question.
        snapshot: id or file; None is the plan's own, else the newest.
        quota: account file.
        question: without a plan, the question as in :func:`recommend`.

    Raises:
        UsageError: a value out of range, or a name that is not known.
    """
    from advisor.recommendation import frontier as _frontier
    from advisor.recommendation.replan import request_of

    catalog = load_catalog(plan.inputs.snapshot_id if plan is not None and snapshot is None else snapshot)
    used_account = plan is None or quota is not None or plan.inputs.account_sha256 is not None
    account = open_account(quota, catalog.facts) if used_account else None
    question.setdefault("replay", True)
    request = request_of(plan) if plan is not None else make_request(catalog.facts, **question)
    return _frontier.frontier(request, catalog, account, now_utc(), _frontier.AXES[over], values)


def commitment(
    terms: Path,
    *,
    week: Path | None = None,
    growth: str | None = None,
    levels: int | None = None,
    plan: Plan | None = None,
    snapshot: str | Path | None = None,
    quota: Path | None = None,
    **question: Unpack[Question],
) -> Commitment:
    """What to commit over a week of demand, and what to leave on demand and on spot.

    Args:
        terms: file of the commitments on offer.
        week: file of hours or a request trace; None is the same rate in every hour.
        growth: ``0.8:0.25,1.0:0.5,1.3:0.25``; None is no growth.
        levels: hours are merged into so many; None is the documented default.
        plan: commit for this plan's own question.
        snapshot: id or file; None is the plan's own, else the newest.
        quota: account file.
        question: without a plan, the question as in :func:`recommend`.

    Raises:
        NoCandidates, Infeasible: some hour cannot be served.
        UsageError: a value out of range, a name that is not known, or a bad file.
        SolverFailed: nothing usable within the time.
    """
    from advisor.catalog.terms import load_terms
    from advisor.optimize.commitments.levels import DEFAULT_LEVELS
    from advisor.recommendation.commitment import FLAT, parse_growth
    from advisor.recommendation.committing import commitment as _commitment
    from advisor.recommendation.replan import request_of
    from advisor.recommendation.replayed import held_request
    from advisor.workload.week import load_week

    offered = load_terms(terms)
    demand = load_week(week) if week is not None else None
    scenarios = parse_growth(growth) if growth is not None else FLAT
    catalog = load_catalog(plan.inputs.snapshot_id if plan is not None and snapshot is None else snapshot)
    used_account = plan is None or quota is not None or plan.inputs.account_sha256 is not None
    account = open_account(quota, catalog.facts) if used_account else None
    if plan is None:
        question.setdefault("replay", True)
        asked = make_request(catalog.facts, **question)
        request = held_request(asked, catalog, account, now_utc())
    else:
        limit = question.get("time_limit_s", _request.DEFAULT_TIME_LIMIT_S)
        request = replace(request_of(plan), time_limit_s=limit)
    return _commitment(
        request, catalog, account, now_utc(), offered, demand, scenarios, levels or DEFAULT_LEVELS
    )


def drift(
    plan: Plan,
    *,
    snapshot: str | Path | None = None,
    quota: Path | None = None,
    threshold_percent: float | None = None,
    command: str | None = None,
) -> Drift:
    """Whether a plan's decision still holds on the newest prices, and what to do if it does not.

    Args:
        plan: one with a fleet.
        snapshot: id or file; None is the newest.
        quota: account file; None is the default account where there is one.
        threshold_percent: what a change must save of what keeping costs; None is the documented default.
        command: the command line that asked, for the plan proposed; None is the plan's own.

    Raises:
        UsageError: the plan is infeasible, or the threshold is out of range.
        DataError: the snapshot is unreadable or not what its name says.
    """
    from advisor.catalog.store import advisor_home
    from advisor.recommendation import drift as _drift
    from advisor.recommendation.replan import request_of
    from advisor.settings import load_settings

    percent = 100 * _drift.DEFAULT_THRESHOLD if threshold_percent is None else threshold_percent
    checked_number("--threshold-percent", percent, above=0, at_most=100, inclusive=True)
    catalog = load_catalog(snapshot)
    settings = load_settings(advisor_home())
    asked = replace(
        request_of(plan),
        on_demand_limit=settings.on_demand_limit,
        spot_limit=settings.spot_limit,
        command=plan.command if command is None else command,
    )
    return _drift.drift(
        plan,
        catalog,
        open_account(quota, catalog.facts),
        now_utc(),
        threshold=percent / 100,
        before=_prices_of(plan, catalog, snapshot),
        asked=asked,
    )


def _prices_of(plan: Plan, catalog: Catalog, snapshot: str | Path | None) -> Snapshot | None:
    """The snapshot a plan was made on, among those at hand or beside the file named; None: not there."""
    from pathlib import Path

    from advisor.catalog.store import open_snapshot

    wanted = plan.inputs.snapshot_id
    if wanted == catalog.snapshot.info.snapshot_id:
        return catalog.snapshot
    beside = None if snapshot is None else Path(snapshot).expanduser().parent / f"{Path(wanted).name}.parquet"
    try:
        return open_snapshot(beside if beside is not None and beside.is_file() else wanted)
    except (UnknownName, DataError):
        return None
