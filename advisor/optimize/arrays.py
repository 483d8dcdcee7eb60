"""A mixed-integer programme as arrays, with a name for every column and row."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

INFINITY: Final = float("inf")


@dataclass(frozen=True, slots=True, eq=False)
class LinearRow:
    """low <= sum of value · column <= high."""

    name: str  #: the constraint family, then what it is for
    index: Indices
    value: Floats
    low: float
    high: float


def row(name: str, pairs: Sequence[tuple[int, float]], low: float, high: float) -> LinearRow:
    """A row from (column, coefficient) pairs."""
    index = np.array([column for column, _ in pairs], dtype=np.intp)
    return LinearRow(name, index, np.array([value for _, value in pairs], dtype=np.float64), low, high)


@dataclass(frozen=True, slots=True, eq=False)
class Sum:
    """A sum of columns, each with a coefficient, and a constant."""

    index: Indices
    value: Floats
    constant: float = 0.0

    def times(self, factor: float) -> Sum:
        """The same, multiplied."""
        return Sum(self.index, self.value * factor, self.constant * factor)


NOTHING: Final = Sum(np.zeros(0, dtype=np.intp), np.zeros(0))


def total(sums: Iterable[Sum]) -> Sum:
    """Several sums in one."""
    parts = list(sums)
    if not parts:
        return NOTHING
    return Sum(
        np.concatenate([part.index for part in parts]),
        np.concatenate([part.value for part in parts]),
        sum(part.constant for part in parts),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Compiled:
    """A programme in one piece: minimise cost · x over row_low <= A x <= row_high, low <= x <= high.

    A is stored by rows: those of row r are ``start[r]`` to ``start[r + 1]`` of ``index`` and ``value``; no
    column stands twice in a row.
    """

    cost: Floats
    low: Floats
    high: Floats
    integer: NDArray[np.bool_]
    row_low: Floats
    row_high: Floats
    start: Indices
    index: Indices
    value: Floats
    source: Arrays  #: what it was made of, for names

    def relaxed(self) -> Compiled:
        """The same with fractions of whole numbers allowed."""
        return replace(self, integer=np.zeros(len(self.integer), dtype=np.bool_))

    @property
    def whole(self) -> bool:
        """Whether any column is a whole number."""
        return bool(self.integer.any())

    @property
    def title(self) -> str:
        """The question's name."""
        return self.source.name

    def names(self) -> tuple[list[str], list[str]]:
        """Of columns and of rows."""
        return self.source.names(), [row.name for row in self.source.rows]


@dataclass(slots=True)
class Arrays:
    """Columns and rows, in the order they were added."""

    name: str
    rows: list[LinearRow] = field(default_factory=list)
    size: int = 0  #: columns
    _labels: list[tuple[str, list[int] | None]] = field(default_factory=list)
    _low: list[Floats] = field(default_factory=list)
    _high: list[Floats] = field(default_factory=list)
    _integer: list[NDArray[np.bool_]] = field(default_factory=list)
    _cost: list[tuple[Indices, Floats]] = field(default_factory=list)
    _narrowed: dict[int, tuple[float, float]] = field(default_factory=dict)

    def add(
        self,
        label: str,
        low: ArrayLike = 0.0,
        high: ArrayLike = INFINITY,
        *,
        integer: bool = False,
        over: Sequence[int] | None = None,
    ) -> int:
        """One column named ``label``, or one per number in ``over``; returns the index of the first."""
        count = 1 if over is None else len(over)
        start = self.size
        self._labels.append((label, None if over is None else list(over)))
        self._low.append(np.broadcast_to(np.asarray(low, dtype=np.float64), (count,)))
        self._high.append(np.broadcast_to(np.asarray(high, dtype=np.float64), (count,)))
        self._integer.append(np.full(count, integer))
        self.size += count
        return start

    def narrow(self, column: int, low: float, high: float) -> None:
        """Give a column other bounds."""
        self._narrowed[column] = low, high

    def add_rows(self, rows: Iterable[LinearRow]) -> None:
        """Append rows."""
        self.rows.extend(rows)

    def minimise(self, cost: Sum) -> None:
        """Add to the objective."""
        self._cost.append((cost.index, cost.value))

    def names(self) -> list[str]:
        """Of every column."""
        found = []
        for label, over in self._labels:
            found += [label] if over is None else [f"{label}{i}" for i in over]
        return found

    @property
    def integers(self) -> int:
        """How many columns are whole numbers."""
        return sum(int(part.sum()) for part in self._integer)

    @property
    def nonzeros(self) -> int:
        """Coefficients in rows."""
        return sum(len(each.index) for each in self.rows)

    def compiled(self) -> Compiled:
        """All of it in one piece, as every solver gets it."""
        cost = np.zeros(self.size)
        for index, value in self._cost:
            np.add.at(cost, index, value)
        low, high = _joined(self._low), _joined(self._high)
        for column, bounds in self._narrowed.items():
            low[column], high[column] = bounds
        rows = self.rows
        return Compiled(
            cost,
            low,
            high,
            np.concatenate(self._integer) if self._integer else np.zeros(0, dtype=np.bool_),
            np.array([each.low for each in rows], dtype=np.float64),
            np.array([each.high for each in rows], dtype=np.float64),
            *self._matrix(),
            self,
        )

    def _matrix(self) -> tuple[Indices, Indices, Floats]:
        """(start, index, value) by rows, coefficients of one column in one row added up."""
        lengths = [len(each.index) for each in self.rows]
        owner = np.repeat(np.arange(len(lengths)), lengths)
        index = _joined([each.index for each in self.rows]).astype(np.intp)
        value = _joined([each.value for each in self.rows])
        cells, first, place = np.unique(owner * self.size + index, return_index=True, return_inverse=True)
        if len(cells) < len(index):
            kept = np.sort(first)
            value = np.bincount(place, value)[place[kept]]
            owner, index = owner[kept], index[kept]
        return np.searchsorted(owner, np.arange(len(lengths) + 1)), index, value


def _joined(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.zeros(0)
