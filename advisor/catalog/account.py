"""The user's account file: which quotas are held, how much of each is taken, and what is reserved.

Strict, since a line that is misread would let a plan break a quota: unknown keys, providers, regions and
pools, wrong units and lines given twice are refused with file, field, value and what is allowed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from advisor.catalog.cloud_quotas import cloud_limits
from advisor.catalog.quota import GLOBAL
from advisor.catalog.reservations import HeldKind, Reservation
from advisor.documents import Scalars, decoded, kind_of, parse, read_bytes
from advisor.documents.records import NOT_YES_OR_NO, check
from advisor.domain import QuotaLimit, QuotaUnit
from advisor.errors import InputFileError, UnknownName
from advisor.text import ONE_LINE
from advisor.units import MAX_USD_PER_HOUR, decimal_text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from advisor.catalog.facts import Facts
    from advisor.domain import QuotaPool

MAX_UNITS: Final = 10**9
"""Far above any quota a cloud grants: a larger figure is a slip."""

MAX_BYTES: Final = 4 * 2**20
"""Far above any account file."""

MAX_INSTANCES: Final = 1_000_000
"""Above any reservation there is: a larger figure is a slip."""

_RESERVED_PRICE: Final = f"dollars per hour of one instance, from 0 to {MAX_USD_PER_HOUR:,}"
_UNITS: Final = f"a number of units from 0 to {MAX_UNITS:,}"
_Units = Annotated[Decimal, Field(ge=0, le=MAX_UNITS, allow_inf_nan=False), NOT_YES_OR_NO]
_Dollars = Annotated[Decimal, Field(ge=0, le=MAX_USD_PER_HOUR, allow_inf_nan=False), NOT_YES_OR_NO]
_Name = Annotated[str, Field(min_length=1, max_length=200, pattern=ONE_LINE)]


class _QuotaLine(BaseModel):
    """One quota, by the provider's own names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    provider: _Name = Field(description="the provider's id, e.g. aws")
    region: _Name = Field(description="the provider's region id; global for a pool across regions")
    pool: _Name = Field(description="the provider's own id, e.g. L-417A185B or NVIDIA_L4_GPUS")
    unit: QuotaUnit = Field(
        description=f"one of {', '.join(unit.value for unit in QuotaUnit)}: what the pool counts"
    )
    limit: _Units = Field(description=f"{_UNITS}: those granted")
    used: _Units = Field(
        default=Decimal(0), description=f"{_UNITS}: those already taken; free is limit - used"
    )


class _ReservationLine(BaseModel):
    """Capacity already held: reserved instances, a capacity reservation, machines of one's own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    provider: _Name = Field(description="the provider's id, e.g. aws")
    region: _Name = Field(description="the provider's region id")
    zone: _Name | None = Field(
        default=None, description="the provider's zone id; absent: anywhere in the region"
    )
    instance_type: _Name = Field(description="the provider's own name of the shape, e.g. p5.48xlarge")
    instances: int = Field(
        ge=1, le=MAX_INSTANCES, strict=True, description=f"a whole number from 1 to {MAX_INSTANCES:,}"
    )
    usd_per_hour_each: _Dollars = Field(description=_RESERVED_PRICE)
    start: date | None = Field(default=None, description="the first day, as YYYY-MM-DD; absent: it runs")
    until: date | None = Field(default=None, description="the last day, as YYYY-MM-DD; absent: no end")


class _HeldLine(_ReservationLine):
    """The same, with what kind of thing it is."""

    kind: HeldKind = Field(
        description=f"one of {', '.join(kind.value for kind in HeldKind)}: owned and capacity need "
        "no quota, a discount runs within the on-demand quota; all are paid used or not"
    )


class _AccountFile(BaseModel):
    """What an account holds. It stays on this machine and is never part of a snapshot."""

    model_config = ConfigDict(extra="forbid", frozen=True, title="Account")

    quotas: list[_QuotaLine] = Field(
        description="a list of quota lines, the limits held; a pool without one is unknown, not unlimited",
    )
    held: list[_HeldLine] = Field(
        default_factory=list, description="a list of what is already held and paid, with its kind"
    )
    reservations: list[_ReservationLine] = Field(
        default_factory=list, description="a list of what is held; the same as held with kind: capacity"
    )


@dataclass(frozen=True, slots=True)
class Account:
    """An account file, checked against the facts."""

    limits: tuple[QuotaLimit, ...]
    sha256: str  #: of the file's bytes
    warnings: tuple[str, ...]  #: sentences
    reservations: tuple[Reservation, ...] = ()


def account_json_schema() -> dict[str, Any]:
    """The JSON Schema of the account file."""
    return _AccountFile.model_json_schema()


def default_account_path(home: Path) -> Path | None:
    """``account.yaml`` in the user's folder, if there is one."""
    path = home / "account.yaml"
    return path if path.is_file() else None


def load_account(path: Path, facts: Facts) -> Account:
    """The quotas of a YAML or JSON account file, or of what a cloud's own command line prints of them.

    Raises:
        InputFileError: the file or a field of it is not what it must be.
    """
    content = read_bytes(path, MAX_BYTES, "an account file")
    document = parse(decoded(content, str(path)), str(path), kind_of(path), Scalars.EXACT)
    printed = cloud_limits(document, path, facts)
    if printed is not None:
        held, notes = printed
        return Account(tuple(held), hashlib.sha256(content).hexdigest(), (*notes, *_overdrawn(held)))
    account = check(_AccountFile, document, str(path))
    limits: dict[str, QuotaLimit] = {}
    for number, line in enumerate(account.quotas):
        place = f"quotas[{number}]"
        limit = _limit(path, place, line, facts)
        if limit.key in limits:
            raise InputFileError(
                str(path), f"{place}.pool", line.pool, f"one line per pool; {limit.key} is there before"
            )
        limits[limit.key] = limit
    return Account(
        tuple(limits.values()),
        hashlib.sha256(content).hexdigest(),
        tuple(_overdrawn(limits.values())),
        _reservations(path, account, facts),
    )


def _reservations(path: Path, account: _AccountFile, facts: Facts) -> tuple[Reservation, ...]:
    """The lines, with the provider's own spelling of provider and region."""
    found: dict[str, Reservation] = {}
    held: list[tuple[str, _ReservationLine, HeldKind]] = [
        (f"reservations[{number}]", line, HeldKind.CAPACITY)
        for number, line in enumerate(account.reservations)
    ]
    held += [(f"held[{number}]", line, line.kind) for number, line in enumerate(account.held)]
    for place, line, kind in held:
        if line.start is not None and line.until is not None and line.until < line.start:
            raise InputFileError(str(path), f"{place}.until", str(line.until), f"not before {line.start}")
        provider = _known(path, f"{place}.provider", line.provider, _providers(facts))
        known = {region.id for region in facts.regions.values() if region.provider == provider}
        region = _known(path, f"{place}.region", line.region, known) if known else line.region
        reservation = Reservation(
            provider,
            region,
            line.zone,
            line.instance_type,
            line.instances,
            line.usd_per_hour_each,
            line.until,
            kind,
            line.start,
        )
        if reservation.id in found:
            allowed = f"one line per place and type; {reservation.id} is there before"
            raise InputFileError(str(path), f"{place}.instance_type", line.instance_type, allowed)
        found[reservation.id] = reservation
    return tuple(found.values())


def _providers(facts: Facts) -> set[str]:
    regions, pools = facts.regions.values(), facts.quota_pools
    return {region.provider for region in regions} | {pool.provider for pool in pools}


def _limit(path: Path, place: str, line: _QuotaLine, facts: Facts) -> QuotaLimit:
    """One line, with the provider's own spelling of every name."""
    pools = facts.quota_pools
    provider = _known(path, f"{place}.provider", line.provider, _providers(facts))
    mine = {pool.pool: pool for pool in pools if pool.provider == provider}
    pool = mine[_known(path, f"{place}.pool", line.pool, mine)]
    region = _region(path, f"{place}.region", line.region, pool, facts)
    if line.unit is not pool.unit:
        raise InputFileError(
            str(path), f"{place}.unit", line.unit.value, f"{pool.pool} counts in {pool.unit.value}"
        )
    return QuotaLimit(provider, region, pool.pool, line.unit, line.limit, line.used)


def _region(path: Path, place: str, value: str, pool: QuotaPool, facts: Facts) -> str:
    if pool.scope == GLOBAL:
        if value != GLOBAL:
            raise InputFileError(
                str(path), place, value, f"{pool.pool} counts across regions: write {GLOBAL}"
            )
        return value
    if value == GLOBAL:
        raise InputFileError(str(path), place, value, f"{pool.pool} counts per region: write a region id")
    known = {region.id for region in facts.regions.values() if region.provider == pool.provider}
    return _known(path, place, value, known) if known else value


def _known(path: Path, place: str, value: str, known: Iterable[str]) -> str:
    """The known spelling of a name whose case may differ."""
    names = list(known)
    for name in names:
        if name.casefold() == value.strip().casefold():
            return name
    hint = str(UnknownName("name", value, names)).partition(": ")[2]
    raise InputFileError(str(path), place, value, hint)


def _overdrawn(limits: Iterable[QuotaLimit]) -> Iterable[str]:
    for limit in limits:
        if limit.used > limit.limit:
            used, held = decimal_text(limit.used), decimal_text(limit.limit)
            yield f"{limit.key}: {used} used of {held}: nothing is free."
