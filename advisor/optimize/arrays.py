"""A mixed-integer programme as arrays, with a name for every column and row."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

INFINITY: Final = float("inf")


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """low <= sum of value · column <= high."""

    name: str  #: the constraint family, then what it is for
    index: Indices
    value: Floats
    low: float
    high: float


def row(name: str, pairs: Sequence[tuple[int, float]], low: float, high: float) -> Row:
    """A row from (column, coefficient) pairs."""
    index = np.array([column for column, _ in pairs], dtype=np.intp)
    return Row(name, index, np.array([value for _, value in pairs], dtype=np.float64), low, high)


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


@dataclass(slots=True)
class Model:
    """Columns and rows, in the order they were added."""

    name: str
    rows: list[Row] = field(default_factory=list)
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

    def add_rows(self, rows: Iterable[Row]) -> None:
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
    def low(self) -> Floats:
        """Lower bounds of columns."""
        return self._bounds(self._low, 0)

    @property
    def high(self) -> Floats:
        """Upper bounds of columns."""
        return self._bounds(self._high, 1)

    def _bounds(self, parts: list[Floats], side: int) -> Floats:
        found = np.concatenate(parts) if parts else np.zeros(0)
        for column, bounds in self._narrowed.items():
            found[column] = bounds[side]
        return found

    @property
    def integer(self) -> NDArray[np.bool_]:
        """Which columns are whole numbers."""
        return np.concatenate(self._integer) if self._integer else np.zeros(0, dtype=np.bool_)

    @property
    def cost(self) -> Floats:
        """Objective coefficients."""
        found = np.zeros(self.size)
        for index, value in self._cost:
            np.add.at(found, index, value)
        return found

    @property
    def nonzeros(self) -> int:
        """Coefficients in rows."""
        return sum(len(each.index) for each in self.rows)
