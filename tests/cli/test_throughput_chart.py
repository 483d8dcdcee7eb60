"""Figures on one logarithmic axis."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.cli.throughput_chart import BAR, LEFT, RIGHT, Line, throughput_chart

pytestmark = pytest.mark.fast


def drawn(*lines: Line, width: int = 80) -> list[str]:
    return [line.split("│")[1] for line in throughput_chart(lines, width, "x", "key") if "│" in line]


def test_equal_ratios_are_equal_distances() -> None:
    cells = drawn(*(Line("a", "o", value) for value in (1.0, 3.0, 9.0, 27.0, 81.0)))
    places = [cell.index("o") for cell in cells]
    steps = [b - a for a, b in pairwise(places)]
    assert max(steps) - min(steps) <= 1
    assert places[0] == 0


def test_an_interval_spans_its_ends_and_holds_the_mark() -> None:
    (cell,) = drawn(Line("a", "o", 10.0, 5.0, 20.0))
    assert cell.strip()[0] == LEFT
    assert cell.strip()[-1] == RIGHT
    assert set(cell.strip()) == {LEFT, RIGHT, BAR, "o"}


def test_the_ends_of_the_axis_carry_their_values() -> None:
    ends = throughput_chart([Line("a", "o", 3.0), Line("b", "o", 70.0)], 60, "x", "key")[-2]
    assert ends.split() == ["2", "100"]


def test_one_figure_at_a_round_value_still_has_an_axis() -> None:
    assert throughput_chart([Line("a", "o", 2.0)], 60, "x", "key")[-2].split() == ["2", "4"]


@given(
    st.lists(st.tuples(st.floats(1e-4, 1e5), st.floats(0, 3), st.floats(0, 3)), min_size=1, max_size=12),
    st.integers(60, 160),
)
def test_rows_align_keep_the_width_and_order_the_marks(
    figures: list[tuple[float, float, float]], width: int
) -> None:
    lines = [Line("some chip", "o", rate, rate / (1 + down), rate * (1 + up)) for rate, down, up in figures]
    body = throughput_chart(lines, width, "x", "key")[: len(lines)]
    assert len({len(row) for row in body}) == 1
    assert len(body[0]) <= width
    places = [row.split("│")[1].index("o") for row in body]
    by_rate = sorted(zip((rate for rate, _, _ in figures), places, strict=True))
    assert [place for _, place in by_rate] == sorted(places)
