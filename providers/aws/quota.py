"""Quotas of the account: running vCPUs per family group, per region, and how much of them is in use."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from advisor.domain import QuotaLimit, QuotaUnit
from providers._payload import is_object, shown
from providers.aws.hardware import NAME, listing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from advisor.provider import Ledger

_COUNTED: Final = re.compile(r"Running On-Demand .{1,80} instances|All .{1,80} Spot Instance Requests")
"""Names of the quotas that count vCPUs (EC2 quotas page). By name, since p6's code is not documented."""
_CODE: Final = re.compile(r"L-[0-9A-F]{8}")


@dataclass(frozen=True, slots=True)
class Pool:
    """One quota, and the CloudWatch metric that says how much of it is used."""

    code: str
    name: str
    limit: Decimal
    metric: tuple[str, str, tuple[tuple[str, str], ...]] | None  #: namespace, name, dimensions


def parse_quotas(payloads: list[object], ledger: Ledger, region: str) -> list[Pool]:
    """Pools of running instances. Earlier answers go before later ones: what applies, then the defaults."""
    pools: dict[str, Pool] = {}
    for payload in payloads:
        for item in listing(payload, "list_service_quotas", "Quotas"):
            pool = _read_pool(ledger, item, region)
            if pool is not None:
                pools.setdefault(pool.code, pool)
    return [pools[code] for code in sorted(pools)]


def _read_pool(ledger: Ledger, item: object, region: str) -> Pool | None:
    title = item.get("QuotaName") if is_object(item) else None
    if not is_object(item) or not isinstance(title, str):
        ledger.reject("malformed_item", "list_service_quotas", "a quota without a name", region)
        return None
    if not _COUNTED.fullmatch(title):
        return None  # hosts, gateways, addresses: not what an instance draws on
    code, value = item.get("QuotaCode"), item.get("Value")
    limit = _amount(value)
    if not isinstance(code, str) or not _CODE.fullmatch(code) or limit is None:
        ledger.reject("malformed_item", title, f"code {shown(code)}, value {shown(value)}", region)
        return None
    return Pool(code, title, limit, _metric(item.get("UsageMetric")))


def _amount(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    amount = Decimal(value)
    return amount if amount.is_finite() and 0 <= amount <= 10**9 else None


def _metric(stated: object) -> tuple[str, str, tuple[tuple[str, str], ...]] | None:
    if not is_object(stated):
        return None
    namespace, metric, dimensions = (
        stated.get(key) for key in ("MetricNamespace", "MetricName", "MetricDimensions")
    )
    if not isinstance(namespace, str) or not isinstance(metric, str) or not is_object(dimensions):
        return None
    pairs = [(key, value) for key, value in dimensions.items() if isinstance(value, str)]
    return (namespace, metric, tuple(sorted(pairs))) if len(pairs) == len(dimensions) else None


def parse_usage(payload: object, ledger: Ledger, region: str) -> dict[str, Decimal]:
    """Quota code to vCPUs in use. No data points means nothing runs: AWS then publishes none."""
    used: dict[str, Decimal] = {}
    for item in listing(payload, "get_metric_data", "MetricDataResults"):
        identity = item.get("Id") if is_object(item) else None
        values = item.get("Values") if is_object(item) else None
        newest = _amount(values[0]) if isinstance(values, list) and values else Decimal(0)
        if not isinstance(identity, str) or not isinstance(values, list) or newest is None:
            ledger.reject("malformed_item", "get_metric_data", shown(item), region)
            continue
        used[code_of(identity)] = newest
    return used


def metric_id(code: str) -> str:
    """A quota code as CloudWatch allows an id: small first letter, no hyphen."""
    return "q" + code.removeprefix("L-")


def code_of(identity: str) -> str:
    """The quota code an id of :func:`metric_id` stands for."""
    return "L-" + identity.removeprefix("q")


def limits(pools: list[Pool], used: Mapping[str, Decimal], region: str) -> list[QuotaLimit]:
    """One account line per pool."""
    return [
        QuotaLimit(NAME, region, pool.code, QuotaUnit.VCPU, pool.limit, used.get(pool.code, Decimal(0)))
        for pool in pools
    ]
