"""`advisor quota`: what the account may still take, and what a plan would take of it."""

from __future__ import annotations

import fnmatch
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from advisor.cli import options
from advisor.cli.output import (
    Col,
    Format,
    FormatOption,
    Listing,
    OutputOption,
    json_text,
    listing_csv,
    note,
    show,
    write_text,
)
from advisor.cli.sections import Section, markdown, renderables
from advisor.units import decimal_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from advisor.catalog.account import Account
    from advisor.catalog.facts import Facts
    from advisor.domain import QuotaPool
    from advisor.plan.plan import Plan

OVERDRAWN: Final = 3

Record = dict[str, Any]


def quota(
    plan: Annotated[
        str | None, typer.Argument(help="Show what this plan draws; - is standard input.", metavar="[PLAN]")
    ] = None,
    account_file: Annotated[
        Path | None,
        typer.Option(
            "--quota",
            help="Account file, or what a cloud prints; default account.yaml in $ADVISOR_HOME.",
            metavar="FILE",
        ),
    ] = None,
    provider: Annotated[
        list[str] | None, typer.Option("--provider", "-p", help="Provider, or a glob. Repeatable.")
    ] = None,
    region: Annotated[
        list[str] | None, typer.Option("--region", "-r", help="Region id, or a glob. Repeatable.")
    ] = None,
    form: FormatOption = Format.TABLE,
    output: OutputOption = None,
    edited: options.Edited = False,
) -> None:
    """List quotas: granted, used, free, what a plan draws, and what is left. Exit code 3 if it overdraws one.

    Without an account file and a plan, the pools that accelerators count against, with what a new account
    has.

    Example: advisor recommend --region us-east-1 --format json | advisor quota -
    """
    from advisor.api import open_account
    from advisor.catalog.facts import load_facts
    from advisor.plan.read import read_plan

    facts = load_facts()
    account = open_account(account_file, facts)
    for warning in account.warnings if account else ():
        note(f"advisor: {warning}")
    read = read_plan(plan, edited=edited) if plan is not None else None
    draws = _draws(read) if read is not None else []
    records = _pools(facts, account, draws) if account or read else _catalogue(facts)
    records = [r for r in records if _matches(r["provider"], provider) and _matches(r["region"], region)]
    if form is Format.JSON:
        document = {"schema_version": 1, "kind": "quota", "pools": records, "lines": draws}
        write_text(json_text(document), output)
    elif form is Format.CSV:
        write_text(listing_csv(_pool_listing(records, drawn=read is not None)), output)
    elif form is Format.MARKDOWN:
        write_text(markdown(_sections(records, draws, drawn=read is not None)), output)
    else:
        show(lambda width: renderables(_sections(records, draws, drawn=read is not None), width), output)
    if account is None and read is not None:
        note("advisor: no account file; what is granted and free is not known (see advisor schema account)")
    over = [r for r in records if r["left"] is not None and r["left"] < 0]
    for record in over:
        note(f"advisor: {record['pool']} in {record['region']} is overdrawn by {-record['left']:f}")
    if over:
        raise typer.Exit(OVERDRAWN)


def _matches(value: str, patterns: list[str] | None) -> bool:
    return not patterns or any(fnmatch.fnmatchcase(value, pattern.strip().casefold()) for pattern in patterns)


def _draws(plan: Plan) -> list[Record]:
    """One record per line of the plan and pool it draws on."""
    return [
        {
            "offer": line.offer_id,
            "instances": line.instances,
            "provider": line.provider,
            "region": draw.region,
            "pool": draw.pool,
            "unit": draw.unit.value,
            "units": draw.units,
        }
        for line in plan.purchase
        for draw in line.quota_draw
    ]


def _pools(facts: Facts, account: Account | None, draws: list[Record]) -> list[Record]:
    """Every pool that is held or drawn on."""
    names = _names(facts)
    drawn: dict[tuple[str, str, str], Decimal] = {}
    units: dict[tuple[str, str, str], str] = {}
    for draw in draws:
        key = draw["provider"], draw["region"], draw["pool"]
        drawn[key] = drawn.get(key, Decimal(0)) + draw["units"]
        units[key] = draw["unit"]
    records = []
    for limit in account.limits if account else ():
        key = limit.provider, limit.region, limit.pool
        taken = drawn.pop(key, Decimal(0))
        records.append(
            _record(
                key, names, limit.unit.value, limit.limit, limit.used, limit.free, taken, limit.free - taken
            )
        )
    for key, taken in drawn.items():
        records.append(_record(key, names, units[key], None, None, None, taken, None))
    return sorted(records, key=lambda r: (r["provider"], r["region"], r["pool"]))


def _catalogue(facts: Facts) -> list[Record]:
    """Pools as documented, with what a new account has."""
    names = _names(facts)
    return [
        _record(
            (pool.provider, "global" if pool.scope == "global" else "each region", pool.pool),
            names, pool.unit.value, pool.default_limit, None, pool.default_limit, Decimal(0), None,
        )
        for pool in facts.quota_pools
    ]  # fmt: skip


def _names(facts: Facts) -> dict[tuple[str, str], QuotaPool]:
    return {(pool.provider, pool.pool): pool for pool in facts.quota_pools}


def _record(
    key: tuple[str, str, str],
    names: Mapping[tuple[str, str], QuotaPool],
    unit: str,
    limit: Decimal | None,
    used: Decimal | None,
    free: Decimal | None,
    drawn: Decimal,
    left: Decimal | None,
) -> Record:
    provider, region, pool = key
    known = names.get((provider, pool))
    return {
        "provider": provider,
        "region": region,
        "pool": pool,
        "name": known.name if known else pool,
        "market": known.market.value if known and known.market else "any",
        "unit": unit,
        "limit": limit,
        "used": used,
        "free": free,
        "drawn": drawn,
        "left": left,
    }


def _units(value: Any) -> str:
    return "–" if value is None else decimal_text(value)


def _sections(records: list[Record], draws: list[Record], *, drawn: bool) -> Iterator[Section]:
    yield _pool_listing(records, drawn=drawn)
    if drawn:
        columns = (
            Col("offer", "Line"),
            Col("instances", "Count", numeric=True),
            Col("pool", "Pool"),
            Col("units", "Draws", numeric=True, text=_units),
            Col("unit", "Unit"),
        )
        yield Listing(
            "What each line draws", columns, draws, empty="No line draws on a quota anybody documents."
        )


def _pool_listing(records: list[Record], *, drawn: bool) -> Listing:
    plan_columns = (
        Col("drawn", "Plan draws", numeric=True, text=_units),
        Col("left", "Left", numeric=True, text=_units),
    )
    columns = (
        Col("provider", "Provider", importance=2),
        Col("region", "Region"),
        Col("pool", "Pool"),
        Col("name", "Name", wrap=True, importance=4),
        Col("unit", "Unit"),
        Col("limit", "Granted", numeric=True, text=_units),
        Col("used", "Used", numeric=True, text=_units, importance=3),
        Col("free", "Free", numeric=True, text=_units),
        *(plan_columns if drawn else ()),
    )
    unknown = any(record["limit"] is None for record in records)
    footer = ("– is not known: no account file states it.",) if unknown else ()
    return Listing("Quotas", columns, records, footer=footer, empty="No quota matches.")
