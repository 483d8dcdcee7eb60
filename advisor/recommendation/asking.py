"""From options and a service file to the services asked for: option, then file, then documented default."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from advisor.catalog.checkpoints import repository
from advisor.catalog.latency import one_place
from advisor.catalog.model_spelling import stated_precision
from advisor.domain import Service, Slo, Traffic, Users, Workload
from advisor.errors import InputFileError, UnknownName, UsageError
from advisor.recommendation import request as defaults
from advisor.recommendation.asking_demand import OPTIONS, demand_of
from advisor.recommendation.limits import asked_slo
from advisor.recommendation.request import checked_number

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from advisor.catalog.facts import Facts
    from advisor.domain import Model
    from advisor.workload.service import ServiceFile, ServiceRecord

LARGEST_HEADROOM: Final = 0.99
LARGEST_REASONING_TOKENS: Final = 1_000_000
MOST_REPLICAS: Final = 10_000

_OF_ONE_SERVICE: Final = {
    "model": "--model",
    "precision": "--precision",
    "engine": "--engine",
    "workload": "--workload",
    **OPTIONS,
    "tpot_ms": "--tpot-ms",
    "ttft_ms": "--ttft-ms",
    "e2e_ms": "--e2e-ms",
    "itl_ms": "--itl-ms",
    "slo_statistic": "--slo-stat",
    "headroom": "--headroom",
    "prefix_cache_hit_rate": "--prefix-cache-hit-rate",
    "reasoning_tokens": "--reasoning-tokens",
    "min_replicas": "--min-replicas",
}
"""What a question may say of a service, and the option that says it."""

_Value = TypeVar("_Value")


def first(given: _Value | None, filed: _Value | None, default: _Value) -> _Value:
    """The first of option, service file and default that says something; an empty list says nothing."""
    if given is not None and given != []:
        return given
    return filed if filed is not None else default


def services_of(
    facts: Facts, question: Mapping[str, Any], file: ServiceFile | None
) -> tuple[tuple[Service, ...], tuple[str, ...]]:
    """The services, and sentences on how they were understood.

    Raises:
        UsageError: a name that is not known, a number out of range, or an option on one of several services.
        InputFileError: a bad workload file.
    """
    path: Path | None = question.get("service_file")
    records: tuple[ServiceRecord | None, ...] = file.records if file is not None else (None,)
    if len(records) > 1:
        said = [option for key, option in _OF_ONE_SERVICE.items() if question.get(key) is not None]
        if said:
            raise UsageError(
                f"{said[0]} is about one service and {path} has {len(records)}: change it in the file"
            )
    found = [_service(facts, question, record, path) for record in records]
    return tuple(service for service, _ in found), tuple(note for _, notes in found for note in notes)


def _service(
    facts: Facts, question: Mapping[str, Any], filed: ServiceRecord | None, path: Path | None
) -> tuple[Service, list[str]]:
    from advisor.profiles.memory import precision_of

    def said(key: str, default: Any) -> Any:
        return first(question.get(key), getattr(filed, key) if filed is not None else None, default)

    named = said("model", defaults.DEFAULT_MODEL)
    model = facts.model(named)
    precision, why = _precision(said("precision", None), named, model)
    precision_of(precision)
    workload = _workload(question, filed, path)
    headroom, notes = _headroom(said("headroom", defaults.DEFAULT_HEADROOM), question, filed, path)
    slo = asked_slo(question, filed.slo.slo() if filed else None)
    traffic = _traffic(question, filed, workload)
    demand = demand_of(question, filed, path, workload, traffic, slo)
    network_ms = filed.network_ms if filed is not None else None
    service = Service(
        name=filed.name if filed else "default",
        model=model.id,
        checkpoint=repository(model, named),
        precision=precision,
        engine=_engine(said("engine", defaults.DEFAULT_ENGINE)),
        workload=workload,
        rate_requests_per_s=demand.rate_requests_per_s,
        rate_basis=demand.basis,
        closed_loop=demand.closed_loop,
        slo=_at_the_server(slo, network_ms, filed),
        headroom=headroom,
        traffic=traffic,
        users=_users(facts, filed, path),
        network_ms=network_ms,
        residency=tuple(filed.residency or ()) if filed is not None else (),
        min_replicas=_min_replicas(said("min_replicas", 0)),
        weight=(filed.weight if filed is not None else None) or 1.0,
    )
    return service, [*why, *demand.notes, *notes]


def _precision(asked: str | None, named: str, model: Model) -> tuple[str, list[str]]:
    """As asked; else as the checkpoint named is stored; else as the publisher released the model, and why."""
    if asked is not None:
        return asked, []
    stored = stated_precision(named)
    if stored is not None:
        return stored, [f"{model.id} is planned in {stored}, as the weights of {named} are stored."]
    if model.released_precision is not None:
        released = model.released_precision
        return released, [f"{model.id} is planned in {released}, as its publisher released it."]
    return defaults.DEFAULT_PRECISION, []


def _engine(name: str) -> str:
    known = {engine.casefold(): engine for engine in defaults.ENGINES}
    try:
        return known[name.strip().casefold()]
    except KeyError:
        raise UnknownName("engine", name, defaults.ENGINES) from None


def _workload(question: Mapping[str, Any], filed: ServiceRecord | None, path: Path | None) -> Workload:
    from advisor.workload.named import load_workload

    named = question.get("workload")
    if named is None and filed is not None and path is not None:
        from advisor.workload.service import service_workload

        return service_workload(filed, path)
    return load_workload(defaults.DEFAULT_WORKLOAD if named is None else named)


def _at_the_server(slo: Slo, network_ms: float | None, filed: ServiceRecord | None) -> Slo:
    """What is left of the limits users see when the network has taken the most it may."""
    if network_ms is None or filed is None:
        return slo
    limits = [limit for limit in slo.limits if limit.metric in ("ttft", "e2e")]
    for limit in limits:
        if limit.ms <= network_ms:
            raise UsageError(
                f"{filed.name}: network_ms {network_ms:g} leaves nothing of {limit}; it must be below that"
            )

    def left(ms: float | None) -> float | None:
        return None if ms is None else ms - network_ms

    further = tuple(
        replace(limit, ms=limit.ms - network_ms) if limit in limits else limit for limit in slo.further
    )
    return replace(slo, ttft_ms=left(slo.ttft_ms), e2e_ms=left(slo.e2e_ms), further=further)


def _headroom(
    asked: float | str, question: Mapping[str, Any], filed: ServiceRecord | None, path: Path | None
) -> tuple[float, list[str]]:
    """The share, and where it comes from if the trace was asked."""
    if asked != "auto":
        share = checked_number("--headroom", float(asked), above=0, at_most=LARGEST_HEADROOM, inclusive=True)
        return share, []
    from advisor.workload.burstiness import FEWEST_WINDOWS, WINDOW_S, burstiness
    from advisor.workload.named import is_path, load_trace

    named = question.get("workload")
    if named is None:
        named = filed.workload if filed is not None else defaults.DEFAULT_WORKLOAD
        if isinstance(named, str) and is_path(named) and path is not None:
            named = str(path.parent / named)
    why = "headroom auto needs a workload that is a trace with arrival times"
    if not isinstance(named, str):
        raise UsageError(f"{why}, not buckets; give a share from 0 to {LARGEST_HEADROOM}")
    try:
        trace = load_trace(named)
    except InputFileError as error:
        raise UsageError(f"{why}; give a share from 0 to {LARGEST_HEADROOM} ({error})") from None
    found = burstiness(trace.timestamps_s or ())
    if found is None:
        least = FEWEST_WINDOWS * WINDOW_S / 60
        raise UsageError(
            f"{why} over at least {least:.0f} minutes; {named} has none such: give a share from 0 to "
            f"{LARGEST_HEADROOM}"
        )
    share = min(round(found.headroom, 4), LARGEST_HEADROOM)
    name = filed.name if filed is not None else "default"
    note = (
        f"Headroom of {name} is {share:.1%}, from the bursts of {named}: 1 - mean / 99th percentile of "
        f"arrivals in {found.windows:,} windows of {WINDOW_S:g} s ({found.mean_requests_per_s:.2f} and "
        f"{found.p99_requests_per_s:.2f} requests/s); the shape is taken to stay at the planned rate."
    )
    return share, [note]


def _traffic(question: Mapping[str, Any], filed: ServiceRecord | None, workload: Workload) -> Traffic:
    """The option, else the service file, else what the workload itself states."""
    stated = filed.traffic if filed is not None else None
    base = stated.traffic() if stated is not None else workload.traffic
    hits, hidden = question.get("prefix_cache_hit_rate"), question.get("reasoning_tokens")
    if hits is not None:
        checked_number("--prefix-cache-hit-rate", hits, above=0, at_most=0.99, inclusive=True)
        base = replace(base, prefix_cache_hit_rate=hits)
    if hidden is not None:
        checked_number(
            "--reasoning-tokens", hidden, above=0, at_most=LARGEST_REASONING_TOKENS, inclusive=True
        )
        base = replace(base, reasoning_tokens=hidden)
    return base


def _users(facts: Facts, filed: ServiceRecord | None, path: Path | None) -> tuple[Users, ...]:
    if filed is None or not filed.users:
        return ()
    total = sum(one.share for one in filed.users)
    found = []
    for number, one in enumerate(filed.users):
        field = f"users[{number}].at"
        try:
            place = one_place(one.at, facts.regions, field)
        except UsageError as error:
            raise InputFileError(str(path), f"{filed.name}: {field}", one.at, str(error)) from None
        found.append(Users(place, one.share / total))
    return tuple(found)


def _min_replicas(count: int) -> int:
    return int(checked_number("--min-replicas", count, above=0, at_most=MOST_REPLICAS, inclusive=True))
