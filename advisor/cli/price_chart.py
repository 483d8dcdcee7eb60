"""A step chart of prices in plain text: every row and the ends of the time axis carry their value."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from advisor.catalog.history import Observation

ROWS: Final = 10
SEEN, CARRIED, RISER = "━", "┄", "│"
"""A price somebody saw, one carried forward while nobody looked, and a move between two."""

_NICE_STEPS: Final = tuple(Decimal(tenths) / 10 for tenths in (10, 15, 20, 25, 30, 40, 50, 100))


def price_chart(observations: Sequence[Observation], until: date, width: int) -> list[str]:
    """Lines of a chart of one series, at most ``width`` wide; the last says how to read it.

    A price stands in the row nearest to it.
    """
    ordered = sorted(observations, key=lambda seen: (seen.valid_from, seen.observed_until))
    start = ordered[0].valid_from
    end = max(until, max(seen.observed_until for seen in ordered))
    low, step = _axis([seen.usd_per_hour for seen in ordered])
    labels = [_label(low + step * row, step) for row in range(ROWS)]
    margin = max(map(len, labels))
    columns = max(20, width - margin - 2)
    grid = _grid(ordered, _days(start, end, columns), lambda usd: round((usd - low) / step))
    top = max(2, round((max(seen.usd_per_hour for seen in ordered) - low) / step))
    body = [f"{labels[row]:>{margin}} ┤{''.join(grid[row]).rstrip()}" for row in range(top, -1, -1)]
    return [*body, *_time_axis(start, end, margin, columns), *_legend(low, grid)]


def _axis(prices: Sequence[Decimal]) -> tuple[Decimal, Decimal]:
    """Value of the lowest row and of one row: round numbers around the prices, from 0 where that is near."""
    least, most = min(prices), max(prices)
    if 2 * least <= most:
        least = Decimal(0)
    step = _nice(max(most - least, most / 20) / (ROWS - 2))
    low = (least / step).to_integral_value(ROUND_FLOOR) * step
    if low + step * (ROWS - 1) < most:
        step = _nice(step * Decimal("1.01"))
        low = (least / step).to_integral_value(ROUND_FLOOR) * step
    return low, step


def _nice(step: Decimal) -> Decimal:
    """The next of 1, 1.5, 2, 2.5, 3, 4, 5 times a power of ten."""
    power = Decimal(1).scaleb(step.adjusted())
    return next(power * nice for nice in _NICE_STEPS if power * nice >= step)


def _label(value: Decimal, step: Decimal) -> str:
    places = max(0, -int(step.normalize().as_tuple().exponent))
    return f"{value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_CEILING):,}"


def _days(start: date, end: date, columns: int) -> list[date]:
    """The day at the middle of each column."""
    span = max((end - start).days, 1)
    return [start + timedelta(days=(2 * column + 1) * span // (2 * columns)) for column in range(columns)]


def _grid(
    ordered: Sequence[Observation], days: Sequence[date], row_of: Callable[[Decimal], int]
) -> list[list[str]]:
    grid = [[" "] * len(days) for _ in range(ROWS)]
    place, last_row = 0, None
    for column, day in enumerate(days):
        while place + 1 < len(ordered) and ordered[place + 1].valid_from <= day:
            place += 1
        row = row_of(ordered[place].usd_per_hour)
        if last_row is not None:
            for between in range(min(row, last_row) + 1, max(row, last_row)):
                grid[between][column] = RISER
        width_days = (days[1] - days[0]).days if len(days) > 1 else 0
        seen = day <= ordered[place].observed_until + timedelta(days=width_days)
        grid[row][column] = SEEN if seen else CARRIED
        last_row = row
    return grid


def _time_axis(start: date, end: date, margin: int, columns: int) -> list[str]:
    first, last = start.isoformat(), end.isoformat()
    middle = (start + (end - start) / 2).isoformat()
    line = f"{'':>{margin}} └{'─' * columns}"
    if columns < 3 * len(first) + 4:
        return [line, f"{'':>{margin}}  {first}{last:>{columns - len(first)}}"]
    left = columns // 2 - len(middle) // 2
    words = f"{first}{middle:>{left + len(middle) - len(first)}}"
    return [line, f"{'':>{margin}}  {words}{last:>{columns - len(words)}}"]


def _legend(low: Decimal, grid: Sequence[Sequence[str]]) -> list[str]:
    carried = any(CARRIED in row for row in grid)
    parts = [f"{SEEN} seen", *([f"{CARRIED} carried forward, nobody looked"] if carried else [])]
    if low > 0:
        parts.append("the axis does not start at 0")
    return [f"USD an hour: {', '.join(parts)}."]
