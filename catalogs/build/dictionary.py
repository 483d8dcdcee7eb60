"""DATA_DICTIONARY.md: every column with unit and description, from the dataclasses' own lines."""

from __future__ import annotations

import ast
import inspect
import re
from typing import TYPE_CHECKING, Final

from advisor import domain
from advisor.catalog.carbon import GridIntensity
from advisor.catalog.egress import EgressRate
from advisor.catalog.hosted_api import HostedPrice
from advisor.catalog.price_moves import PriceMove
from advisor.catalog.snapshot import COLUMNS
from advisor.catalog.zone_offerings import ZoneOffering
from catalogs.build.facts import INSTANCE_TYPE_COLUMNS
from catalogs.build.source import write_text

if TYPE_CHECKING:
    from pathlib import Path

_TABLES: Final = (
    ("snapshots/*.parquet", domain.Offer, "One row per offer. `flags` is `;`-joined; NULL is not known."),
    (
        "accelerators.toml",
        domain.Accelerator,
        "One `[[accelerator]]` per chip; a field that is not there is not known.",
    ),
    (
        "models.csv",
        domain.Model,
        "One row per model. Lists are `;`-joined; blank is not known or does not apply.",
    ),
    ("regions.csv", domain.Region, "One row per region. Lists are `;`-joined; blank is not known."),
    (
        "quota_pools.csv",
        domain.QuotaPool,
        "One row per pool. Lists are `;`-joined; a blank market counts both.",
    ),
    (
        "hosted_api_prices.csv",
        HostedPrice,
        "One row per hosted model and host; blank is not known or does not apply.",
    ),
    ("egress.csv", EgressRate, "One row per region and tier; a place without a row is not known, not free."),
    ("carbon_intensity.csv", GridIntensity, "One row per country."),
    (
        "price_moves.csv",
        PriceMove,
        "One row per provider, market and age; without a row it is not known how prices move.",
    ),
    (
        "zone_offerings.csv",
        ZoneOffering,
        "One row per instance type and region. Zones are `;`-joined; without a row they are not known.",
    ),
)

_UNIT_OF_FIELD: Final = {
    "usd_per_hour": "USD/h",
    "memory_gib": "GiB",
    "memory_reported_gib": "GiB",
    "memory_gb": "GB",
    "memory_bandwidth_gb_per_s": "GB/s",
    "interconnect_gb_per_s_one_way": "GB/s",
    "bf16_dense_tflops": "Tflop/s",
    "fp8_dense_tflops": "Tflop/s",
    "fp4_dense_tflops": "Tflop/s",
    "tdp_w": "W",
    "params_b": "10⁹ parameters",
    "active_params_b": "10⁹ parameters",
    "max_context": "tokens",
    "sliding_window": "tokens",
    "kv_bytes_per_token_fp16": "bytes/token",
    "latitude": "degrees",
    "longitude": "degrees",
    "collected_at": "UTC instant",
    "default_limit": "the pool's unit",
    "input_usd_per_million_tokens": "USD/10⁶ tokens",
    "output_usd_per_million_tokens": "USD/10⁶ tokens",
    "observed_on": "day",
    "tier_start_gb": "GB/month",
    "usd_per_gb": "USD/GB",
    "g_co2e_per_kwh": "g CO₂e/kWh",
    "year": "year",
    "age_days": "days",
}
_UNIT_OF_TYPE: Final = {"int": "count", "Decimal": "count", "bool": "true/false", "str": "text"}

FLAGS: Final = {
    "community_cloud": "hosts of third parties, lowest price seen",
    "composed_n1_plus_gpu": "sum of the host's and the attached GPUs' prices",
    "date_inferred": "the date of the price was inferred from other dated prices, see PROVENANCE.md",
    "estimated_price": "an old ratio applied to a list price",
    "fractional_gpu": "less than one whole accelerator",
    "local_zone": "in a Local or Wavelength Zone",
    "marketplace_median": "median over the offers of a marketplace on one day",
    "not_offered": "priced, but the provider's offerings do not list type, zone or market there",
    "not_sold_this_way": "priced, but sold only as spot, flex-start or reservation",
    "overridden": "a price sheet states another price, which is paid",
    "per_gpu_price": "the provider states a price per GPU; the offer is one GPU",
    "retired": "retired by the provider",
    "secure_cloud": "hosts in data centres, as against community hosts",
    "spot_at_on_demand_cap": "the spot price is the on-demand price: no discount",
    "superseded": "a newer price for the type and region stands beside it",
    "uniform_price_all_regions": "one price for all regions",
    "vcpu_memory_unknown": "vCPUs and host memory are not stated",
}
"""Flag of an offer -> what it says."""


def field_lines(noun: type) -> dict[str, tuple[str, str]]:
    """Field -> (annotation, text after ``#:`` on its line) of a dataclass."""
    source = inspect.getsource(noun)
    lines = source.splitlines()
    (body,) = ast.parse(source).body
    found = {}
    for node in getattr(body, "body", []):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            comment = re.search(r"#: (.+)", lines[(node.end_lineno or node.lineno) - 1])
            found[node.target.id] = (ast.unparse(node.annotation), comment[1].strip() if comment else "")
    return found


def unit_of(field: str, annotation: str) -> str:
    """The unit a column is in, or ``text``, ``count`` or ``list`` where it has none."""
    if field in _UNIT_OF_FIELD:
        return _UNIT_OF_FIELD[field]
    if annotation.startswith("tuple"):
        return "list"
    return _UNIT_OF_TYPE.get(annotation.removesuffix(" | None"), "text")


def build_dictionary(target: Path) -> None:
    """Write ``DATA_DICTIONARY.md``."""
    parts = [
        "# Data dictionary\n\nMade by `python -m catalogs.build` from the fields of `advisor/domain.py`.\n"
    ]
    for file, noun, note in _TABLES:
        rows = [
            (field, _kind(file, field, annotation), unit_of(field, annotation), text.replace("``", "`"))
            for field, (annotation, text) in field_lines(noun).items()
        ]
        parts.append(_section(file, note, rows))
    instance_types = [(name, "", unit, text) for name, (unit, text) in INSTANCE_TYPE_COLUMNS.items()]
    parts.append(
        _section("instance_types.csv", "One row per instance type; blank is not known.", instance_types)
    )
    parts.append("\n## Flags of an offer\n\n| flag | meaning |\n| --- | --- |\n")
    parts += [f"| `{flag}` | {text} |\n" for flag, text in sorted(FLAGS.items())]
    write_text(target / "DATA_DICTIONARY.md", "".join(parts))


def _kind(file: str, field: str, annotation: str) -> str:
    return COLUMNS[field] if file.startswith("snapshots") else annotation.replace("|", "or")


def _section(title: str, note: str, rows: list[tuple[str, str, str, str]]) -> str:
    lines = [f"\n## {title}\n\n{note}\n\n| column | type | unit | description |\n| --- | --- | --- | --- |\n"]
    lines += [
        f"| {column} | {kind} | {unit} | {text.replace('|', '/')} |\n" for column, kind, unit, text in rows
    ]
    return "".join(lines)
