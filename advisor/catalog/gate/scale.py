"""Detectors for prices that are wrong by orders of magnitude."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from advisor.catalog.gate.finding import Action, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from advisor.catalog.gate.view import Row, View

_LEAST_USD_PER_GB_HOUR: Final = 0.0008
"""Half the lowest in the history shipped: A100 80GB spot on Vast, 2026-05-15, $0.1293 / 80 GB."""

_MOST_USD_PER_GB_HOUR: Final = 2.0
"""Four times the highest list price shipped: g4dn.16xlarge (one T4, 64 vCPUs) in sa-east-1, $0.46 per GB."""

_TERM_USD_PER_GB_HOUR: Final = 10.0
_WRONG_SCALE: Final = 20.0
"""In the prices shipped nothing is more than 8.1 times above, or 7.7 times below, the median of its chip and
market over all providers; cents for dollars is 100."""

_FLEX_START: Final = (0.35, 0.7)
"""Flex-start price over the list price of the same type and place."""

_TERM_SCALE: Final = 500.0
"""A year is 8,760 hours; its sum at the deepest discount (72 %, Azure's "up to") is still 2,450 of them."""


def w1_wrong_scale(view: View) -> Iterator[Finding]:
    """W1: cents read as dollars, or the wrong field: B200 at $0.01/h, 8 × A100 at $0.08/h (skypilot PR 9156).

    Refused: per GB of accelerator memory below half the lowest price ever recorded or above four times the
    highest listed; or 20 times off the median of the chip and market over all providers (4 rows or more).
    The last is held on marketplaces: Vast's A100 at $0.1293 was real, and 37 times below the large clouds'.
    """
    for row in view.doubtful:
        off, per_gb = _off_scale(view, row), _usd_per_gb(view, row)
        # What no price ever was is refused before what is only unusual: the first cannot be accepted away.
        if per_gb is not None and per_gb < _LEAST_USD_PER_GB_HOUR:
            said = (
                f"${row.unit:.4g} per accelerator-hour is ${per_gb:.2g} per GB, below"
                f" ${_LEAST_USD_PER_GB_HOUR:g}, half the lowest ever recorded: cents, or another field?"
            )
            yield view.finding("W1", row, Action.REFUSE, said)
        elif off is not None and max(off, 1 / off) >= _WRONG_SCALE and off < _TERM_SCALE:
            said = f"${row.unit:.4g} per accelerator-hour is {_times(off)} the usual ${row.unit / off:.4g}"
            yield view.finding("W1", row, Action.HOLD if row.is_live_stock else Action.REFUSE, said)
        elif per_gb is not None and _MOST_USD_PER_GB_HOUR < per_gb <= _TERM_USD_PER_GB_HOUR:
            said = (
                f"${row.unit:,.2f} per accelerator-hour, ${per_gb:.2f} per GB: four times the dearest listed"
            )
            yield view.finding("W1", row, Action.REFUSE, said)


def w23_term_price(view: View) -> Iterator[Finding]:
    """W23: a reservation's price for the whole term, unit "1 Hour", read as hourly (Azure retail feed).

    Refused: 500 times the median of the chip and market, or above $10 per GB of accelerator memory. The
    adapter must not read reservation rows in the first place.
    """
    for row in view.doubtful:
        off, per_gb = _off_scale(view, row), _usd_per_gb(view, row)
        if off is not None and off >= _TERM_SCALE:
            said = f"${row.usd:,.2f} is {off:,.0f} times the usual hour: a sum over a term?"
            yield view.finding("W23", row, Action.REFUSE, said)
        elif per_gb is not None and per_gb > _TERM_USD_PER_GB_HOUR:
            said = f"${row.usd:,.2f} is ${per_gb:,.0f} per GB of accelerator memory: a sum over a term?"
            yield view.finding("W23", row, Action.REFUSE, said)


def w27_flex_start(view: View) -> Iterator[Finding]:
    """W27: Google's flex-start SKUs are tagged as on-demand, and the last SKU read wins (gpuhunt 0.1.34).

    Held: an on-demand price of Google's at 0.35 to 0.7 times the list price published before (seen: 0.39 to
    0.65 for A2 and A3, October 2026). Calendar prices of A4 are W7's.
    """
    for row in view.doubtful:
        change = view.change(row)
        if row.offer.provider != "gcp" or not row.is_list or change is None:
            continue
        if _FLEX_START[0] <= change <= _FLEX_START[1]:
            old = view.before[row.id].offer
            said = (
                f"${row.usd:.4g} is {1 - change:.0%} below the list price of {old.collected_at:%Y-%m-%d}:"
                " a flex-start price filed as on-demand?"
            )
            yield view.finding("W27", row, Action.HOLD, said)


def _off_scale(view: View, row: Row) -> float | None:
    """Price per accelerator over the usual one; None where too few offers tell what is usual."""
    usual = view.usual_of_chip_anywhere.get((row.offer.accelerator, row.offer.market))
    return row.unit / usual if usual else None


def _usd_per_gb(view: View, row: Row) -> float | None:
    chip = view.facts.accelerators.get(row.offer.accelerator)
    return row.unit / chip.memory_gb if chip and chip.memory_gb > 0 else None


def _times(off: float) -> str:
    return f"{off:,.0f} times" if off >= 1 else f"one {1 / off:,.0f}th of"
