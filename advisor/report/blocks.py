"""What a report is made of, free of any dress: sections of facts, tables, sentences and figures.

A dress (HTML, workbook, Markdown, JSON) walks these and nothing else, so none says what another does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from advisor.domain import Market
    from advisor.report.figures import Chart

Value = str | int | float | Decimal | date | datetime | None


class Kind(StrEnum):
    """How a value reads."""

    TEXT = "text"
    CODE = "code"  #: ids, hashes and commands: may break anywhere
    COUNT = "count"
    USD_RATE = "usd_rate"  #: dollars, at least four decimals, more where the price has more
    USD = "usd"  #: dollars and cents
    SHARE = "share"  #: 0.25 reads 25.0 %
    NUMBER = "number"  #: four significant digits
    DAY = "day"
    MOMENT = "moment"  #: UTC, to the minute

    @property
    def numeric(self) -> bool:
        """Whether values of this kind stand right-aligned in a column."""
        return self in (Kind.COUNT, Kind.USD_RATE, Kind.USD, Kind.SHARE, Kind.NUMBER)


@dataclass(frozen=True, slots=True)
class Fact:
    """One labelled value."""

    label: str
    value: Value
    kind: Kind = Kind.TEXT


@dataclass(frozen=True, slots=True)
class Facts:
    """Labelled values, one below the other."""

    facts: tuple[Fact, ...]
    headline: bool = False  #: what an approver reads first; a dress that can shows it large


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    key: str  #: name in JSON, unit included
    header: str  #: words over the column, unit included
    kind: Kind = Kind.TEXT


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under columns; the last row may be a total."""

    key: str  #: unique in the report
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]
    total: tuple[Value, ...] | None = None

    def __post_init__(self) -> None:
        for row in (*self.rows, *([self.total] if self.total else [])):
            if len(row) != len(self.columns):
                raise ValueError(f"table {self.key}: {len(row)} cells under {len(self.columns)} columns")


@dataclass(frozen=True, slots=True)
class Sentences:
    """Sentences, one item each."""

    lines: tuple[str, ...]
    emphasis: bool = False  #: to be read before anything is bought


@dataclass(frozen=True, slots=True)
class Quotation:
    """Text to copy as it stands."""

    text: str


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart, what it shows in words, and the numbers behind it."""

    key: str  #: unique in the report
    title: str
    description: str  #: the chart in words, for who cannot see it
    chart: Chart
    table: Table


@dataclass(frozen=True, slots=True)
class Signatures:
    """Places to sign: a role each."""

    roles: tuple[str, ...]


Block = Facts | Table | Sentences | Quotation | Figure | Signatures


@dataclass(frozen=True, slots=True)
class Section:
    """One heading with its blocks. A section without blocks says why in ``absent``."""

    key: str  #: unique in the report, stable
    title: str
    blocks: tuple[Block, ...]
    absent: str | None = None  #: why there is nothing: not included, not run, not given

    def __post_init__(self) -> None:
        if not self.blocks and not self.absent:
            raise ValueError(f"section {self.key} is empty and does not say why")


@dataclass(frozen=True, slots=True)
class Line:
    """One line to buy, as every dress counts it."""

    provider: str
    region: str
    region_name: str | None
    zone: str | None
    instance_type: str
    offer_id: str
    market: Market
    accelerator: str
    accelerator_name: str
    accelerator_memory_gb: float | None
    accelerators_per_instance: int
    vcpus: int | None
    memory_gib: float | None
    instances: int
    list_usd_per_hour_each: Decimal
    usd_per_hour_each: Decimal  #: what is paid
    usd_per_hour: Decimal
    usd_per_month: Decimal  #: to the cent, halves up
    usd_per_year: Decimal  #: to the cent, halves up
    price_collected_at: datetime
    price_source: str
    price_basis: str
    price_evidence: str | None
    price_state: str


@dataclass(frozen=True, slots=True)
class SideLine:
    """A cost beside the instances, e.g. egress."""

    name: str
    provider: str
    region: str
    usd_per_hour: Decimal
    detail: str


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another fleet, and what stands between it and the plan."""

    name: str
    usd_per_hour: Decimal
    providers: tuple[str, ...]
    detail: str
    proved: bool = True  #: no cheaper fleet of its kind exists; else its cost is only the best one found


@dataclass(frozen=True, slots=True)
class Entry:
    """A group of offers that enters the plan at a price, as the explanation found."""

    grouping: str
    name: str
    offer: str
    list_usd_per_hour_each: Decimal
    enters_at_usd_per_hour_each: Decimal
    discount: float


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts × prices, added."""

    instances: int
    usd_per_hour: Decimal
    usd_per_month: Decimal  #: of the hourly total, to the cent, halves up
    usd_per_year: Decimal


@dataclass(frozen=True, slots=True)
class Report:
    """Everything a report says."""

    title: str
    plan_id: str
    snapshot_id: str
    advisor_version: str
    made_at: datetime
    valid_until: date
    hours_per_month: int
    slo: str
    models: str
    proved: bool
    relative_gap: float
    lines: tuple[Line, ...]
    side_lines: tuple[SideLine, ...]
    totals: Totals
    alternatives: tuple[Alternative, ...]
    entries: tuple[Entry, ...]
    sections: tuple[Section, ...]
