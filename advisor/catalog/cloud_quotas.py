"""Quotas as the clouds' own command lines print them, in place of an account file.

`aws service-quotas list-service-quotas --service-code ec2`, `gcloud compute regions describe REGION
--format=json` (or `regions list`, `project-info describe`; `gcloud beta quotas info list` for
the families from H100 on), and `az vm list-usage --location REGION -o json`.
Several of one kind may stand in one JSON list (`jq -s .`). What limits no accelerator is passed over.

Source: Service Quotas API, ServiceQuota (its ARN names the region); Compute Engine API, Region and Project
(quotas with metric, limit, usage); Cloud Quotas API, QuotaInfo; Azure Compute API, Usage. The last does not
say its region: the name of the file does, or nothing.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

from advisor.catalog.quota import GLOBAL
from advisor.domain import QuotaLimit
from advisor.errors import InputFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from advisor.catalog.facts import Facts

MAX_UNITS: Final = 10**9
"""A number beyond this, which no account uses up, is this much."""
NO_LIMIT: Final = -1
"""How a cloud says that it states no limit: like a pool that is not in the file, it is not known."""
_FAMILY: Final = "GPUS-PER-GPU-FAMILY-per-project-region"

_ARN: Final = re.compile(
    r"arn:[\w-]+:servicequotas:(?P<region>[a-z0-9-]+):\d*:(?P<service>\w+)/(?P<code>[\w-]+)"
)
_Stated = tuple[str, str, str, object, object]
"""Where it stands in the file; region, pool, limit and used as stated."""


def cloud_limits(document: object, path: Path, facts: Facts) -> tuple[list[QuotaLimit], list[str]] | None:
    """The limits of the pools that accelerators draw on, and sentences; None if no cloud printed this.

    Raises:
        InputFileError: a limit is no number, or the region is not said.
    """
    for provider, (fits, read) in _READERS.items():
        parts = document if isinstance(document, list) else [document]
        if parts and all(map(fits, parts)):
            return _limits(provider, read(document, path, facts), path, facts)
    return None


def _limits(
    provider: str, stated: Iterator[_Stated], path: Path, facts: Facts
) -> tuple[list[QuotaLimit], list[str]]:
    pools = {pool.pool.casefold(): pool for pool in facts.quota_pools if pool.provider == provider}
    limits: dict[str, QuotaLimit] = {}
    unsaid = passed_over = 0
    for place, region, name, limit, used in stated:
        pool, granted = pools.get(name.casefold()), _units(limit, path, f"{place}.limit")
        if pool is None or (pool.scope == GLOBAL) != (region == GLOBAL) or granted == NO_LIMIT:
            passed_over += 1
            continue
        unsaid += used is None
        found = QuotaLimit(
            provider, region, pool.pool, pool.unit,
            granted, _units(used or 0, path, f"{place}.used"),
        )  # fmt: skip
        if limits.setdefault(found.key, found) != found:
            raise InputFileError(str(path), place, name, f"one line per pool; {found.key} is there before")
    if not limits:
        allowed = f"a quota that accelerators of {provider} count against; of {passed_over:,} none is"
        raise InputFileError(str(path), "", "no such quota", allowed)
    return list(limits.values()), [_UNSAID.format(path.name)] if unsaid else []


_UNSAID: Final = "{} says what is granted and not what is used: all of it is taken to be free."


def _units(value: object, path: Path, place: str) -> Decimal:
    try:
        units = Decimal(str(value))
    except InvalidOperation:
        units = Decimal("nan")
    if isinstance(value, bool) or not units.is_finite() or units < -1:
        raise InputFileError(str(path), place, value, "a number of units, 0 or more")
    return min(units, Decimal(MAX_UNITS))


def _is_aws(part: object) -> bool:
    return isinstance(part, dict) and isinstance(part.get("Quotas"), list)


def _aws(document: Any, path: Path, _: Facts) -> Iterator[_Stated]:
    for part in document if isinstance(document, list) else [document]:
        for number, one in enumerate(part["Quotas"]):
            arn = _ARN.fullmatch(str(one.get("QuotaArn") if isinstance(one, dict) else ""))
            if arn is None:
                allowed = "the ARN of a quota, which names its region"
                given = one.get("QuotaArn") if isinstance(one, dict) else one
                raise InputFileError(str(path), f"Quotas[{number}].QuotaArn", given, allowed)
            if arn["service"] == "ec2":
                yield f"Quotas[{number}]", arn["region"], arn["code"], one.get("Value"), None


def _is_gcp(part: object) -> bool:
    if not isinstance(part, dict):
        return False
    with_quotas = part.get("kind") in ("compute#region", "compute#project")
    return (with_quotas and isinstance(part.get("quotas"), list)) or "quotaId" in part


def _gcp(document: Any, path: Path, _: Facts) -> Iterator[_Stated]:
    for part in document if isinstance(document, list) else [document]:
        if "quotaId" in part:
            yield from _families(part) if part["quotaId"] == _FAMILY else ()
            continue
        region = GLOBAL if part["kind"] == "compute#project" else str(part.get("name"))
        for number, one in enumerate(part["quotas"]):
            if not isinstance(one, dict):
                raise InputFileError(
                    str(path), f"quotas[{number}]", one, "an object with metric, limit and usage"
                )
            yield f"quotas[{number}]", region, str(one.get("metric")), one.get("limit"), one.get("usage")


def _families(info: dict[str, Any]) -> Iterator[_Stated]:
    """Cards per GPU family and region; a region's own line stands above that of all regions."""
    found: dict[tuple[str, str], object] = {}
    for of_one_region in (False, True):
        for entry in map(_object, _list(info.get("dimensionsInfos"))):
            dimensions = _object(entry.get("dimensions"))
            family, own = dimensions.get("gpu_family"), dimensions.get("region")
            if family is None or (own is not None) != of_one_region:
                continue
            for region in [own] if of_one_region else _list(entry.get("applicableLocations")):
                found[str(region), str(family)] = _object(entry.get("details")).get("value")
    for (region, family), value in found.items():
        yield f"{_FAMILY} {family}", region, f"{_FAMILY}:{family}", value, None


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _is_azure(part: object) -> bool:
    return isinstance(part, dict) and "currentValue" in part and isinstance(part.get("name"), dict)


def _azure(document: Any, path: Path, facts: Facts) -> Iterator[_Stated]:
    region = _azure_region(path, facts)
    for number, one in enumerate(document if isinstance(document, list) else [document]):
        name = str(one["name"].get("value"))
        yield f"[{number}]", region, name, one.get("limit"), one.get("currentValue")


def _azure_region(path: Path, facts: Facts) -> str:
    """The region in the file's name: `az vm list-usage` does not print it."""
    known = {region.id for region in facts.regions.values() if region.provider == "azure"}
    named = {word for word in re.split(r"[^a-z0-9]+", path.name.casefold()) if word in known}
    if len(named) != 1:
        allowed = "`az vm list-usage` does not print its region: name the file after it, e.g. eastus.json"
        raise InputFileError(str(path), "", path.name, allowed)
    return named.pop()


_READERS: Final[
    dict[str, tuple[Callable[[object], bool], Callable[[Any, Path, Facts], Iterator[_Stated]]]]
] = {"aws": (_is_aws, _aws), "gcp": (_is_gcp, _gcp), "azure": (_is_azure, _azure)}
