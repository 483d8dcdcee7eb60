"""Quota pools: what each provider limits, in its own ids, and the instance types that draw on them.

Left out: capacity-block quotas (that market is not modelled), AWS pools without accelerator families, and any
pool for AWS P6 spot, because public sources disagree on which of two codes counts it. No row: not known.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Final

from advisor.domain import Market, QuotaPool, QuotaUnit
from catalogs.build.source import SourceRow, read_rows, write_csv

if TYPE_CHECKING:
    from decimal import Decimal
    from pathlib import Path

_MARKETS: Final[dict[str, Market | None]] = {"on_demand": Market.ON_DEMAND, "spot": Market.SPOT, "all": None}
_UNITS: Final = {"vCPU": QuotaUnit.VCPU, "GPU": QuotaUnit.GPU}
_GCP_FAMILY_METRIC: Final = "GPUS_PER_GPU_FAMILY"
_GCP_FAMILY_QUOTA_ID: Final = "GPUS-PER-GPU-FAMILY-per-project-region"
_AZURE_REGIONAL_POOLS: Final = (
    ("cores", "Total Regional vCPUs", Market.ON_DEMAND),
    ("lowPriorityCores", "Total Regional Low-priority vCPUs", Market.SPOT),
)
_AZURE_REGIONAL_SOURCE: Final = "Azure compute usages API, name.value (api-version 2026-04-01)"


def build_quota(source: Path, target: Path) -> None:
    """Write ``quota_pools.csv``."""
    prices = source / "prices"
    pools = [
        *aws_pools(read_rows(prices / "aws_quota_codes.csv", ("quota_code", "instance_families"))),
        *azure_pools(read_rows(prices / "azure_quota_families.csv", ("instance_type", "quota_family"))),
        *gcp_pools(read_rows(prices / "gcp_quota_metrics.csv", ("quota_metric", "machine_types"))),
    ]
    pools.sort(key=lambda pool: (pool.provider, pool.scope, pool.pool, str(pool.market)))
    write_csv(target / "quota_pools.csv", [spec.name for spec in fields(QuotaPool)], map(_cells, pools))


def aws_pools(rows: list[SourceRow]) -> list[QuotaPool]:
    """EC2 quota codes, in vCPUs per region."""
    return [
        QuotaPool(
            provider="aws",
            pool=row.text("quota_code"),
            name=row.text("quota_name"),
            market=_MARKETS[row.text("purchase_option")],
            unit=_unit(row),
            scope="region",
            instance_types=tuple(f"{family}.*" for family in row.text("instance_families").split(";")),
            default_limit=_default(row),
            source=row.text("source"),
        )
        for row in rows
        if row.text("purchase_option") in _MARKETS and row.optional_text("instance_families")
    ]


def _default(row: SourceRow) -> Decimal | None:
    return row.optional_decimal("default_value")


def _unit(row: SourceRow) -> QuotaUnit:
    unit = row.text("unit")
    if unit not in _UNITS:
        raise row.refuse("unit", f"one of {', '.join(_UNITS)}")
    return _UNITS[unit]


def gcp_pools(rows: list[SourceRow]) -> list[QuotaPool]:
    """Compute Engine metrics in GPUs; on-demand H100 and newer by the family dimension of one quota id."""
    every_machine = sorted({pattern for row in rows for pattern in _gcp_patterns(row)})
    return [
        QuotaPool(
            provider="gcp",
            pool=_gcp_pool_id(row),
            name=row.text("quota_metric"),
            market=_MARKETS[row.text("purchase_option")],
            unit=_unit(row),
            scope="global" if row.text("scope").startswith("project (global") else "region",
            instance_types=tuple(_gcp_patterns(row) or every_machine),
            default_limit=None,
            source=row.text("source"),
        )
        for row in rows
    ]


def _gcp_pool_id(row: SourceRow) -> str:
    metric = row.text("quota_metric")
    if metric != _GCP_FAMILY_METRIC:
        return metric
    family = row.text("dimensions").partition("gpu_family=")[2]
    if not family:
        raise row.refuse("dimensions", "gpu_family=NAME is needed")
    return f"{_GCP_FAMILY_QUOTA_ID}:{family}"


def _gcp_patterns(row: SourceRow) -> list[str]:
    """Shell patterns of machine types; ``n1-* + T4`` is written ``n1-standard-4+1xt4`` in the offers."""
    patterns = []
    for machine in row.text("machine_types").split(";"):
        host, attached, chip = machine.partition(" + ")
        if machine != "*":
            patterns.append(f"{host}+*x{chip.lower()}" if attached else machine)
    return patterns


def azure_pools(rows: list[SourceRow]) -> list[QuotaPool]:
    """On-demand draws on its family and ``cores``, spot only on ``lowPriorityCores``; vCPUs per region."""
    types_of_family: dict[str, list[SourceRow]] = {}
    for row in rows:
        family = row.optional_text("quota_family")
        if family is not None:
            types_of_family.setdefault(family, []).append(row)
    families = [_azure_family(family, members) for family, members in types_of_family.items()]
    regional = [
        QuotaPool(
            "azure",
            pool,
            name,
            market,
            QuotaUnit.VCPU,
            "region",
            ("Standard_*",),
            None,
            _AZURE_REGIONAL_SOURCE,
        )
        for pool, name, market in _AZURE_REGIONAL_POOLS
    ]
    return [*families, *regional]


def _azure_family(family: str, members: list[SourceRow]) -> QuotaPool:
    return QuotaPool(
        provider="azure",
        pool=family,
        name=family,
        market=Market.ON_DEMAND,
        unit=_unit(members[0]),
        scope="region",
        instance_types=tuple(sorted(row.text("instance_type") for row in members)),
        default_limit=None,
        source=members[0].text("source"),
    )


def _cells(pool: QuotaPool) -> list[object]:
    return [
        pool.provider,
        pool.pool,
        pool.name,
        pool.market.value if pool.market else None,
        pool.unit.value,
        pool.scope,
        ";".join(pool.instance_types),
        pool.default_limit,
        pool.source,
    ]
