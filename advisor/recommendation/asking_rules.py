"""From options and a service file to the rules of the fleet."""

from __future__ import annotations

import re
from decimal import ROUND_DOWN, Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from advisor.catalog.residency import allowed_places
from advisor.errors import InputFileError, UsageError
from advisor.recommendation.policy import DEFAULT_HORIZON_HOURS, Holding, Policy, Preference, Survive
from advisor.recommendation.request import checked_number
from advisor.units import HOURS_PER_MONTH
from advisor.workload.service_rules import DISTINCT, LOSABLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from advisor.catalog.facts import Facts
    from advisor.domain import Service
    from advisor.workload.service import ServiceFile
    from advisor.workload.service_rules import CurrentRecord, SurviveRecord

_CENT_OF_CENT: Final = Decimal("0.00000001")
_MOST: Final = 1000
_SURVIVE: Final = re.compile(r"([a-z]+)(?::(\d{1,6}))?(?:=(\d*\.?\d+)(%?))?")


def policy_of(
    facts: Facts, question: Mapping[str, Any], file: ServiceFile | None, services: tuple[Service, ...]
) -> Policy:
    """Every rule; what an option says replaces the file's rule of that kind.

    Raises:
        UsageError: an option that is not what it must be.
        InputFileError: a bad fleet or latency file.
    """
    path: Path | None = question.get("service_file")
    base = path.parent if path is not None else Path()
    for service in services:
        _known_places(facts, service.residency, f"{service.name}: residency", path)
    prefer = _prefer(question, file)
    if prefer is not None:
        filed = path if question.get("prefer") is None else None
        _known_places(facts, prefer.places, "prefer.regions" if filed else "--prefer", filed)
    latency = None
    if file is not None and file.latency is not None:
        from advisor.catalog.latency import read_latency

        latency = read_latency(base / file.latency, facts.regions)
    carbon = file.carbon if file is not None else None
    return Policy(
        survive=_survive(question, file),
        demand_error=_demand_error(question, file),
        doubted=_doubted(question, file),
        budget_usd_per_hour=_budget(question, file),
        at_most=_at_most(question, file),
        prefer=prefer,
        holding=_holding(question, file, base),
        latency=latency,
        carbon=bool(question.get("carbon")) or carbon is not None,
        most_kg_co2e_per_hour=carbon.most_kg_co2e_per_hour if carbon is not None else None,
    )


def _known_places(facts: Facts, patterns: Sequence[str], field: str, path: Path | None) -> None:
    """Every pattern matches a place.

    Raises:
        UsageError: one does not; of a file, with the field.
    """
    for pattern in patterns:
        try:
            allowed_places([pattern], (), facts.regions)
        except UsageError as unknown:
            if path is None:
                raise UsageError(f"{field} {pattern!r} is not allowed; {unknown}") from None
            raise InputFileError(str(path), field, pattern, str(unknown)) from None


def _survive(question: Mapping[str, Any], file: ServiceFile | None) -> tuple[Survive, ...]:
    given: Sequence[str] | None = question.get("survive")
    rules = [survive_words(words) for words in given] if given else []
    if file is not None and not rules:
        rules = [_filed(record) for record in file.survive or ()]
    if file is not None and file.on_demand_floor is not None and not any(r.lose == "spot" for r in rules):
        rules.append(Survive("spot", keeps=file.on_demand_floor))
    return tuple(dict.fromkeys(rules))


def survive_words(words: str) -> Survive:
    """``zone``, ``instance:2`` or ``spot=0.5``: what is lost, how many, what share is still served.

    Raises:
        UsageError: it is none of these.
    """
    found = _SURVIVE.fullmatch(words.strip().casefold())
    if found is None or found[1] not in LOSABLE:
        raise UsageError(
            f"--survive '{words}' is not allowed; WHAT[:N][=KEEPS] with {', '.join(LOSABLE)}, e.g. zone, "
            "instance:2 or spot=0.5"
        )
    lose, count, keeps, percent = found.groups()
    if lose == "spot" and count is not None:
        raise UsageError(f"--survive '{words}' is not allowed; spot takes all spot capacity at once")
    share = 1.0 if keeps is None else float(keeps) / (100 if percent else 1)
    return Survive(
        lose,
        int(checked_number("--survive: N", int(count or 1), above=1, at_most=_MOST, inclusive=True)),
        checked_number("--survive: KEEPS", share, above=0, at_most=1),
    )


def _filed(record: SurviveRecord) -> Survive:
    return Survive(
        record.lose,
        record.count,
        record.keeps,
        tuple(record.services or ()),
        record.headroom,
        record.demand_factor,
    )


def _demand_error(question: Mapping[str, Any], file: ServiceFile | None) -> float:
    given = question.get("demand_error")
    if given is not None:
        return checked_number("--demand-error", given, above=0, at_most=10, inclusive=True)
    return (file.demand_error if file is not None else None) or 0.0


def _doubted(question: Mapping[str, Any], file: ServiceFile | None) -> int:
    given = question.get("doubt")
    if given is not None:
        return int(checked_number("--doubt", given, above=0, at_most=_MOST, inclusive=True))
    return file.throughput_doubt.accelerators if file is not None and file.throughput_doubt is not None else 0


def _budget(question: Mapping[str, Any], file: ServiceFile | None) -> Decimal | None:
    given: Decimal | None = question.get("budget_usd_per_hour")
    if given is not None or file is None:
        return given
    if file.budget_usd_per_month is not None:
        return (file.budget_usd_per_month / HOURS_PER_MONTH).quantize(_CENT_OF_CENT, rounding=ROUND_DOWN)
    return file.budget_usd_per_hour


def _at_most(question: Mapping[str, Any], file: ServiceFile | None) -> tuple[tuple[str, int], ...]:
    limits = dict(file.at_most.limits()) if file is not None and file.at_most is not None else {}
    for words in question.get("at_most") or ():
        plural, equals, count = str(words).partition("=")
        name = plural.strip().casefold().replace("-", "_")
        kind = DISTINCT.get(name) or DISTINCT.get(f"{name}s")
        if kind is None or not equals or not re.fullmatch(r"\d{1,4}", count.strip()) or not int(count):
            raise UsageError(
                f"--at-most '{words}' is not allowed; WHAT=N with {', '.join(DISTINCT)} and a whole number "
                "from 1, e.g. providers=1"
            )
        limits[kind] = int(count)
    return tuple(sorted(limits.items()))


def _prefer(question: Mapping[str, Any], file: ServiceFile | None) -> Preference | None:
    given = question.get("prefer")
    if given is not None:
        pattern, equals, percent = str(given).rpartition("=")
        number = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%?", percent.strip())
        if not equals or not pattern.strip() or number is None:
            raise UsageError(
                f"--prefer '{given}' is not allowed; PATTERN=PERCENT, e.g. eu-*=5 or continent:Europe=10"
            )
        checked_number("--prefer: PERCENT", float(number[1]), above=0, at_most=100, inclusive=True)
        return Preference((pattern.strip(),), round(float(number[1]) / 100, 12))
    filed = file.prefer if file is not None else None
    return None if filed is None else Preference(tuple(filed.regions), round(filed.percent_dearer / 100, 12))


def _holding(question: Mapping[str, Any], file: ServiceFile | None, base: Path) -> Holding | None:
    from advisor.fleet import read_fleet

    filed: CurrentRecord | None = file.current if file is not None else None
    given: Path | None = question.get("current")
    threshold = question.get("change_threshold_percent")
    path = given if given is not None else base / filed.fleet if filed is not None else None
    if path is None:
        if threshold is not None:
            raise UsageError("--change-threshold is about a fleet that runs: name it with --current FLEET")
        return None
    fleet = read_fleet(path)
    if threshold is None:
        threshold = filed.change_only_if_saving_percent if filed is not None else None
    checked_number("--change-threshold", threshold or 0.0, above=0, at_most=100, inclusive=True)
    return Holding(
        fleet,
        (filed.usd_per_instance_started if filed else None) or Decimal(0),
        (filed.usd_per_instance_stopped if filed else None) or Decimal(0),
        (filed.horizon_hours if filed else None) or DEFAULT_HORIZON_HOURS,
        round((threshold or 0.0) / 100, 12),
    )
