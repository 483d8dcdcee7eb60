"""Quotas: what every pool must hold, and the words to ask for more."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from advisor.report.blocks import Block, Column, Kind, Quotation, Section, Sentences, Table
from advisor.report.purchase_sections import market_words
from advisor.units import decimal_text

if TYPE_CHECKING:
    from advisor.plan.plan import Plan
    from advisor.report.beside import Beside
    from advisor.report.blocks import Value


def quotas(plan: Plan, beside: Beside) -> Section:
    """What every pool must hold, what it does hold if that may be shown, and the words to ask for more."""
    needed: dict[tuple[str, str, str, str], Decimal] = {}
    free: dict[tuple[str, str, str, str], Decimal | None] = {}
    undocumented = []
    for line in plan.purchase:
        if not line.quota_draw:
            undocumented.append(f"{line.provider} {line.instance_type}")
        for draw in line.quota_draw:
            key = (line.provider, draw.region, draw.pool, draw.unit.value)
            needed[key] = needed.get(key, Decimal(0)) + draw.units
            free[key] = draw.free_units
    blocks: list[Block] = []
    if needed:
        blocks += [_quota_table(needed, free, beside), Quotation(_request_text(plan, needed, free, beside))]
    if undocumented:
        blocks.append(Sentences((f"No quota is documented for {', '.join(sorted(set(undocumented)))}.",)))
    blocks.append(Sentences(("How long a provider takes to raise a quota is not known: ask early.",)))
    return Section("quotas", "Quotas", tuple(blocks))


_Key = tuple[str, str, str, str]


def _quota_table(needed: dict[_Key, Decimal], free: dict[_Key, Decimal | None], beside: Beside) -> Table:
    names = {(pool.provider, pool.pool): pool.name for pool in beside.pools}
    hidden = "not shown (--show-quota)"
    rows = []
    for key, units in sorted(needed.items()):
        provider, region, pool, unit = key
        limit = (beside.limits or {}).get(f"{provider}:{region}:{pool}")
        held: Value = hidden
        missing: Value = hidden
        if beside.show_quota:
            left = limit.free if limit else free[key]
            held = "not given (--quota FILE)" if left is None else decimal_text(left)
            missing = None if left is None else decimal_text(max(units - left, Decimal(0)))
        rows.append((provider, region, pool, names.get((provider, pool)), unit, units, held, missing))
    columns = (
        Column("provider", "Provider"),
        Column("region", "Region"),
        Column("pool", "Quota", Kind.CODE),
        Column("name", "The provider's name of it"),
        Column("unit", "Counts"),
        Column("needed_units", "Needed", Kind.NUMBER),
        Column("free_units", "Held and free"),
        Column("missing_units", "To request"),
    )
    return Table("quotas", "Quotas needed", columns, tuple(rows))


def _named(provider: str, pool: str, beside: Beside) -> str:
    """The provider's own words for a quota, where they are not its id."""
    name = next((p.name for p in beside.pools if (p.provider, p.pool) == (provider, pool)), pool)
    return "" if name == pool else f" ({name})"


def _drawn_by(key: _Key, plan: Plan) -> str:
    provider, region, pool, _ = key
    return ", ".join(
        f"{line.instances} × {line.instance_type} ({market_words(line.market)})"
        for line in plan.purchase
        if line.provider == provider
        and any((draw.region, draw.pool) == (region, pool) for draw in line.quota_draw)
    )


def _request_text(
    plan: Plan, needed: dict[_Key, Decimal], free: dict[_Key, Decimal | None], beside: Beside
) -> str:
    """What to send to the providers; a limit that is known to suffice is not asked for."""
    lines = []
    models = ", ".join(sorted({service.model for service in plan.services}))
    for key, units in sorted(needed.items()):
        provider, region, pool, unit = key
        limit = (beside.limits or {}).get(f"{provider}:{region}:{pool}")
        left = (limit.free if limit else free[key]) if beside.show_quota else None
        if left is not None and left >= units:
            continue
        lines.append(
            f"{provider}, {region}: please make sure that quota {pool} leaves {decimal_text(units)} {unit} "
            f"free{_named(provider, pool, beside)}. It is for {_drawn_by(key, plan)}, to serve {models}."
        )
    return "\n".join(lines) or "Nothing to request: every quota known suffices."
