"""The library's front door, which the command line uses too: open the inputs, ask, get a plan.

This is where the outside world comes in: files are opened, names resolved and the clock read here, and
nowhere below.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypedDict, TypeVar, Unpack

from advisor.catalog.buyable import parse_include
from advisor.catalog.selection import parse_markets
from advisor.domain import EvidenceKind, Service, Slo, SloStatistic, Workload
from advisor.errors import UnknownName, UsageError
from advisor.recommendation import recommend as _recommendation
from advisor.recommendation import request as _request
from advisor.recommendation.findings import Catalog
from advisor.recommendation.request import Request, checked_number
from advisor.units import MAX_LATENCY_MS, MAX_RATE_REQUESTS_PER_S, MAX_USD_PER_HOUR

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from decimal import Decimal
    from pathlib import Path

    from advisor.catalog.account import Account
    from advisor.catalog.facts import Facts
    from advisor.plan.plan import Plan
    from advisor.workload.service import ServiceFile

SMALLEST_RATE_REQUESTS_PER_S: Final = 1e-4
"""One request in three hours; below that an instance by the hour is the wrong thing to buy."""
LARGEST_HEADROOM: Final = 0.99
LARGEST_TIME_LIMIT_S: Final = 86_400.0

_Value = TypeVar("_Value")


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
    rate_requests_per_s: float | None
    tpot_ms: float | None
    ttft_ms: float | None
    slo_statistic: SloStatistic | None
    headroom: float | None
    coverage_percent: float | None
    accelerators: Sequence[str] | None
    exclude_accelerators: Sequence[str] | None
    max_usd_per_hour: Decimal | None
    allow_unknown_availability: bool
    include: Iterable[str] | None  #: ``fractional-gpu``, ``local-zone``, ``estimated-spot``
    evidence: EvidenceKind | None
    time_limit_s: float
    command: str


def now_utc() -> datetime:
    """The present, to the second; ``SOURCE_DATE_EPOCH`` pins it, to make a plan again as it was."""
    pinned = os.environ.get("SOURCE_DATE_EPOCH")
    if pinned is None:
        return datetime.now(UTC).replace(microsecond=0)
    try:
        return datetime.fromtimestamp(int(pinned), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(f"SOURCE_DATE_EPOCH: {pinned!r} is not allowed; whole seconds since 1970") from error


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
    """
    catalog = catalog or load_catalog()
    request = make_request(catalog.facts, **question)
    return _recommendation.recommend(request, catalog, account, now or now_utc())


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
    if limit is not None:
        _check_money("--max-usd-per-hour", limit)
    return Request(
        service=_service(facts, question, file),
        regions=_names(question.get("regions"), file.regions if file else None),
        near=_names(question.get("near"), [file.near] if file and file.near else None),
        providers=_names(question.get("providers"), file.providers if file else None),
        markets=parse_markets(_names(question.get("markets"), file.markets if file else None)),
        accelerators=_names(question.get("accelerators"), file.accelerators if file else None),
        exclude_accelerators=_names(
            question.get("exclude_accelerators"), file.exclude_accelerators if file else None
        ),
        evidence=EvidenceKind(
            _first(question.get("evidence"), file.evidence if file else None, EvidenceKind.ESTIMATED)
        ),
        include=parse_include(question.get("include") or ()),
        allow_unknown_availability=question.get("allow_unknown_availability", False),
        max_usd_per_hour=limit if limit is not None or file is None else file.max_usd_per_hour,
        coverage_percent=_first(question.get("coverage_percent"), None, 100.0),
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


def _first(given: _Value | None, filed: _Value | None, default: _Value) -> _Value:
    """The first of option, service file and default that says something; an empty list says nothing."""
    if given is not None and given != []:
        return given
    return filed if filed is not None else default


def _names(given: Sequence[str] | None, filed: Sequence[str] | None) -> tuple[str, ...]:
    return tuple(given or filed or ())


def _service(facts: Facts, question: Question, file: ServiceFile | None) -> Service:
    from advisor.profiles.memory import precision_of

    filed = file.only if file else None
    model = _first(question.get("model"), filed.model if filed else None, _request.DEFAULT_MODEL)
    precision = _first(
        question.get("precision"), filed.precision if filed else None, _request.DEFAULT_PRECISION
    )
    precision_of(precision)
    rate = _first(
        question.get("rate_requests_per_s"),
        filed.rate_requests_per_s if filed else None,
        _request.DEFAULT_RATE_REQUESTS_PER_S,
    )
    headroom = _first(question.get("headroom"), filed.headroom if filed else None, _request.DEFAULT_HEADROOM)
    return Service(
        name=filed.name if filed else "default",
        model=facts.model(model).id,
        precision=precision,
        engine=_engine(
            _first(question.get("engine"), filed.engine if filed else None, _request.DEFAULT_ENGINE)
        ),
        workload=_workload(question, file),
        rate_requests_per_s=checked_number(
            "--rate",
            rate,
            above=SMALLEST_RATE_REQUESTS_PER_S,
            at_most=MAX_RATE_REQUESTS_PER_S,
            inclusive=True,
        ),
        slo=_slo(question, filed.slo.slo() if filed else None),
        headroom=checked_number("--headroom", headroom, above=0, at_most=LARGEST_HEADROOM, inclusive=True),
    )


def _engine(name: str) -> str:
    known = {engine.casefold(): engine for engine in _request.ENGINES}
    try:
        return known[name.strip().casefold()]
    except KeyError:
        raise UnknownName("engine", name, _request.ENGINES) from None


def _workload(question: Question, file: ServiceFile | None) -> Workload:
    from advisor.workload.named import load_workload

    named, path = question.get("workload"), question.get("service_file")
    if named is None and file is not None and path is not None:
        from advisor.workload.service import service_workload

        return service_workload(file, path)
    return load_workload(_request.DEFAULT_WORKLOAD if named is None else named)


def _slo(question: Question, filed: Slo | None) -> Slo:
    """Limits given replace the file's one by one; the default limit stands only where neither speaks."""
    tpot_ms, ttft_ms = question.get("tpot_ms"), question.get("ttft_ms")
    if tpot_ms is not None:
        checked_number("--tpot-ms", tpot_ms, above=0, at_most=MAX_LATENCY_MS)
    if ttft_ms is not None:
        checked_number("--ttft-ms", ttft_ms, above=0, at_most=MAX_LATENCY_MS)
    base = filed or Slo(tpot_ms=_request.DEFAULT_TPOT_MS)
    return Slo(
        tpot_ms=tpot_ms if tpot_ms is not None else base.tpot_ms,
        ttft_ms=ttft_ms if ttft_ms is not None else base.ttft_ms,
        statistic=_first(question.get("slo_statistic"), base.statistic, SloStatistic.MEAN),
    )
