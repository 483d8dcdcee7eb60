"""Prices over time, as collected, -> one Parquet file per source in ``catalogs/history``.

A row says: from ``valid_from`` on this was the price, and it was seen again up to ``observed_until``. Nothing
is written for days on which nothing changed. Between ``observed_until`` and the next row nobody looked.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from advisor.domain import Market
from catalogs.build.accelerator_names import ID_OF_OFFER_NAME
from catalogs.build.source import SourceRow, read_rows, write_bytes, write_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

COLUMNS: Final = {
    "provider": "VARCHAR",
    "region": "VARCHAR",
    "zone": "VARCHAR",
    "instance_type": "VARCHAR",
    "market": "VARCHAR",
    "usd_per_hour": "DECIMAL(18,8)",
    "accelerators": "DECIMAL(9,6)",
    "valid_from": "DATE",
    "observed_until": "DATE",
    "source": "VARCHAR",
    "licence": "VARCHAR",
    "basis": "VARCHAR",
}
"""Columns of a price history file. ``accelerators`` is known where ``basis`` is ``per_accelerator``."""

_GAP: Final = timedelta(days=7)
"""A daily series silent for longer starts anew: a marketplace offer that came back is another offer."""

_SPOT_DAYS: Final = "spot_daily_2023_2024_snapshot_dates.csv"


@dataclass(frozen=True, slots=True)
class Series:
    """One collected file with one price per date, region and instance type."""

    file: str
    target: str
    provider: str
    prices: tuple[tuple[Market, str], ...]  #: market and the column that holds its price
    source: str
    licence: str | None
    days_file: str | None = None  #: days on which somebody looked; None: the dates of the file itself


SERIES: Final = (
    Series(
        "aws_spot_daily_2023_2024.csv",
        "aws_spot_2023_2024",
        "aws",
        ((Market.SPOT, "spot_usd_per_hour"),),
        "coroot/cloud-pricing (gh-pages history to @af03ead)",
        "Apache-2.0",
        _SPOT_DAYS,
    ),
    Series(
        "azure_spot_daily_2023_2024.csv",
        "azure_spot_2023_2024",
        "azure",
        ((Market.SPOT, "spot_usd_per_hour"),),
        "coroot/cloud-pricing (gh-pages history to @af03ead)",
        "Apache-2.0",
        _SPOT_DAYS,
    ),
    Series(
        "gcp_weekly_2026.csv",
        "gcp_2026",
        "gcp",
        ((Market.ON_DEMAND, "on_demand_usd_per_hour"), (Market.SPOT, "spot_usd_per_hour")),
        "cloudpilot-ai/karpenter-provider-gcp:pkg/providers/pricing/initial-prices.json (git history)",
        "Apache-2.0",
    ),
    Series(
        "aws_us_east_1_on_demand_2023_2026.csv",
        "aws_on_demand_2023_2026",
        "aws",
        ((Market.ON_DEMAND, "on_demand_usd_per_hour"),),
        "aws/karpenter-provider-aws:pkg/providers/pricing/zz_generated.pricing_aws.go (git history)",
        "Apache-2.0",
    ),
    Series(
        "azure_on_demand_2023_2026.csv",
        "azure_on_demand_2023_2026",
        "azure",
        ((Market.ON_DEMAND, "on_demand_usd_per_hour"),),
        "Azure/karpenter-provider-azure:pkg/providers/pricing/zz_generated.pricing.go (git history)",
        "Apache-2.0",
    ),
)
"""The files that are change-only as collected."""

_NEOCLOUD_SOURCE: Final = "cherielilili/gpu-pricing-tracker:data/observations.csv@04891eb"
_TRACE_SOURCE: Final = "Michaelvll/skypilot-spot-strategy@1c369735"

_SLUG_OF_CHIP: Final[dict[str, str]] = {
    "a100-pcie-40gb": "a100_pcie_40gb",
    "a100-sxm-40gb": "a100_sxm_40gb",
    "a100-pcie-80gb": "a100_pcie_80gb",
    "a100-sxm-80gb": "a100_sxm_80gb",
    "h100-pcie-80gb": "h100_pcie",
    "h100-sxm-80gb": "h100_sxm",
    "h100-nvl-94gb": "h100_nvl",
    "h200-sxm-141gb": "h200",
    "b200-sxm-180gb": "b200",
    "b300-sxm-288gb": "b300",
    "gb200-186gb": "gb200",
    "gh200-96gb": "gh200",
    "l40-48gb": "l40",
    "l40s-48gb": "l40s",
    "mi300x-192gb": "mi300x",
    "mi355x-288gb": "mi355x",
    "rtx-4090-24gb": "rtx_4090",
    "rtx-5090-32gb": "rtx_5090",
    "rtx-pro-6000-96gb": "rtx_pro_6000",
}
"""Accelerator id -> its part of an instance type's name, as the shipped offers of neoclouds write it."""

_Key = tuple[str, str, str, str]  # provider, region, instance type, market
_Row = tuple[object, ...]


def build(source: Path, catalogs: Path) -> None:
    """Write every history file and ``SOURCES.md``; the same source gives the same bytes."""
    folder, target = source / "prices" / "history", catalogs / "history"
    lines = []
    for series in SERIES:
        rows = _series_rows(folder, series)
        lines.append(_write(target, series.target, rows, series.source, series.licence))
    rows = _neocloud_rows(folder / "neocloud_daily_2026.csv")
    lines.append(_write(target, "neocloud_2026", rows, _NEOCLOUD_SOURCE, None))
    _write_availability(folder / "aws_spot_availability_traces_2022.csv", target)
    write_text(target / "SOURCES.md", _HEAD + "".join(lines) + _RULES)


def _series_rows(folder: Path, series: Series) -> list[_Row]:
    """The file's own rows, one per change, with the last day on which each price was seen."""
    columns = ("date", "region", "instance_type", *(column for _, column in series.prices))
    collected = read_rows(folder / series.file, columns)
    listed = read_rows(folder / series.days_file, ("date",)) if series.days_file else collected
    days = sorted({row.day("date").date() for row in listed})
    prices: dict[_Key, list[tuple[date, Decimal]]] = defaultdict(list)
    for row in collected:
        for market, column in series.prices:
            if (usd := row.price(column)) is not None:
                key = (series.provider, row.text("region"), row.text("instance_type"), market.value)
                prices[key].append((row.day("date").date(), usd))
    return [
        _row(key, usd, None, since, until, series.source, series.licence)
        for key in sorted(prices)
        for since, until, usd in _changes(prices[key], days)
    ]


def _changes(
    seen: Sequence[tuple[date, Decimal]], days: Sequence[date]
) -> Iterator[tuple[date, date, Decimal]]:
    """First and last day of each price, of a change-only series looked at on ``days``."""
    ordered = sorted(seen)
    changed = [pair for i, pair in enumerate(ordered) if i == 0 or ordered[i - 1][1] != pair[1]]
    for i, (since, usd) in enumerate(changed):
        end = changed[i + 1][0] if i + 1 < len(changed) else date.max
        yield since, max(day for day in days if since <= day < end), usd


def _neocloud_rows(path: Path) -> list[_Row]:
    """Medians per accelerator-hour, daily as collected, as runs of days with one price."""
    prices: dict[_Key, list[tuple[date, Decimal]]] = defaultdict(list)
    counts: dict[_Key, Decimal] = {}
    for row in read_rows(path, ("date", "provider", "accelerator_name", "median_usd_per_gpu_hour")):
        usd, key = row.price("median_usd_per_gpu_hour"), _neocloud_key(row)
        if usd is not None and key is not None:
            prices[key].append((row.day("date").date(), usd))
            counts[key] = row.decimal("accelerator_count")
    return [
        _row(key, usd, counts[key], since, until, _NEOCLOUD_SOURCE, None)
        for key in sorted(prices)
        for since, until, usd in _runs(prices[key])
    ]


def _runs(seen: Iterable[tuple[date, Decimal]]) -> Iterator[tuple[date, date, Decimal]]:
    ordered = sorted(seen)
    since, usd = ordered[0]
    until = since
    for day, price in ordered[1:]:
        if price != usd or day - until > _GAP:
            yield since, until, usd
            since, usd = day, price
        until = day
    yield since, until, usd


def _neocloud_key(row: SourceRow) -> _Key | None:
    """The series of a row, named as in the shipped offers; None for RunPod's minimum of both clouds."""
    provider, region = row.text("provider"), row.text("region")
    pair = (row.text("accelerator_name"), row.cells["accelerator_form"].strip())
    if pair not in ID_OF_OFFER_NAME or ID_OF_OFFER_NAME[pair] not in _SLUG_OF_CHIP:
        raise row.refuse("accelerator_name", "a chip of catalogs/build/accelerator_names.py with a name here")
    name = f"{row.text('accelerator_count')}x_{_SLUG_OF_CHIP[ID_OF_OFFER_NAME[pair]]}"
    if provider == "runpod":
        if region == "any":
            return None
        name, region = f"{region}_{name}", "global"
    return (provider, region, name, Market(row.text("rental_type")).value)


def _row(
    key: _Key, usd: Decimal, count: Decimal | None, since: date, until: date, source: str, licence: str | None
) -> _Row:
    provider, region, instance_type, market = key
    basis = "per_instance" if count is None else "per_accelerator"
    return (provider, region, None, instance_type, market, usd, count, since, until, source, licence, basis)


def _write(target: Path, name: str, rows: list[_Row], source: str, licence: str | None) -> str:
    """Write one file; its line of SOURCES.md."""
    cells = [list(column) for column in zip(*rows, strict=True)]
    content = _parquet(target, COLUMNS, cells)
    write_bytes(target / f"{name}.parquet", content)
    first, last = min(cells[7], key=str), max(cells[8], key=str)
    keys = len({row[:5] for row in rows})
    return (
        f"| {name}.parquet | {len(rows):,} | {keys:,} | {first} to {last} | {cells[11][0]} |"
        f" {licence or 'none stated'} | `{source}` |\n"
    )


def _parquet(folder: Path, columns: dict[str, str], cells: list[list[object]]) -> bytes:
    """The columns as a Parquet file; decimals and days travel as text, so nothing is rounded."""
    import duckdb

    folder.mkdir(parents=True, exist_ok=True)
    part = folder / "columns.part"
    texts = [[None if cell is None else _text(cell) for cell in column] for column in cells]
    selected = ", ".join(f"unnest(?::VARCHAR[]) AS {name}" for name in columns)
    typed = ", ".join(f"{name}::{kind} AS {name}" for name, kind in columns.items())
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute(f"CREATE TABLE cells AS SELECT {typed} FROM (SELECT {selected})", texts)  # noqa: S608
        name = str(part).replace("'", "''")
        connection.execute(f"COPY cells TO '{name}' (FORMAT parquet, COMPRESSION zstd)")
    content = part.read_bytes()
    part.unlink()
    return content


def _text(cell: object) -> str:
    return format(cell, "f") if isinstance(cell, Decimal) else str(cell)


def _write_availability(path: Path, target: Path) -> None:
    """Spot probes as runs: ``samples`` probes in a row that were or were not answered with an instance."""
    columns = {
        "provider": "VARCHAR",
        "zone": "VARCHAR",
        "accelerator": "VARCHAR",
        "accelerators": "DECIMAL(9,6)",
        "gap_seconds": "INTEGER",
        "run": "INTEGER",
        "available": "BOOLEAN",
        "samples": "INTEGER",
        "source": "VARCHAR",
    }
    rows: list[_Row] = []
    for row in read_rows(path, ("zone", "accelerator_name", "run_lengths_state_colon_count")):
        chip = ID_OF_OFFER_NAME[row.text("accelerator_name"), "SXM"]
        head = ("aws", row.text("zone"), chip, row.decimal("accelerator_count"), row.text("gap_seconds"))
        runs = [run.split(":") for run in row.text("run_lengths_state_colon_count").split()]
        if sum(int(samples) for _, samples in runs) != row.optional_count("n_samples"):
            raise row.refuse("n_samples", "the sum of the run lengths")
        rows += [
            (*head, number, state == "0", samples, _TRACE_SOURCE)
            for number, (state, samples) in enumerate(runs, start=1)
        ]
    cells = [list(column) for column in zip(*rows, strict=True)]
    folder = target / "availability"
    write_bytes(folder / "aws_spot_2022.parquet", _parquet(folder, columns, cells))


_HEAD: Final = """\
# Where the price history comes from

Made by `python -m catalogs.build --from DIR --only history`. Only figures and identifiers were carried over.
All money is USD, Linux, list price before tax.

| file | rows | series | seen | basis | licence | source |
| --- | ---: | ---: | --- | --- | --- | --- |
"""

_RULES: Final = """
No licence stated means that no licence file was found in the repository; only figures, which are the
providers' own published prices, were taken.

## How to read a row

From `valid_from` on, `usd_per_hour` was the price; it was seen again up to `observed_until`. A row is written
only where a price changed. Between `observed_until` and the next row nobody looked: a chart may carry the
price forward, but must say so. Blank is not known.

- `basis` is `per_instance`, or `per_accelerator` with the instance's `accelerators`: multiply the two.
- AWS and Azure spot: one price per region, single snapshots on 2023-02-20, 2023-06-06 and 2023-11-21, then
  daily from 2024-01-09 to 2024-04-07. Which zone the price is of is not stated. The source kept publishing
  until 2024-08-09 with AWS spot frozen; that part was left out.
- AWS and Azure on-demand, Google Cloud: versions of a price file kept under git. The dates are those of
  versions with a change in them. Google's version of 2026-06-10 had no spot prices and was skipped.
- Change-only sources do not say when a type stopped being sold: its last price is carried to the last day on
  which the source was seen.
- Azure's list said $7.692 for Standard_ND96amsr_A100_v4 in polandcentral from 2025-05-16, between $46.861
  before and $46.89 on 2026-04-02. Kept as it was said; the gate holds such a move.
- Neoclouds: the median over the offers of one day, per accelerator-hour, of the provider's own API or page.
  A run ends where the price changed or the series was silent for over 7 days. Instance types are named as the
  shipped offers of these providers name them (`2x_h100_sxm`, `secure_1x_h200`). RunPod's minimum over both
  of its clouds was left out. Nebius figures are "from" prices, with a commitment.

## availability/aws_spot_2022.parquet

us-west-2a and us-west-2b, one and eight V100, probed every 600 seconds from 2022-10-26, as runs of probes
that were (`available`) or were not answered with a spot instance: `Michaelvll/skypilot-spot-strategy`
@1c369735, no licence stated.
"""
