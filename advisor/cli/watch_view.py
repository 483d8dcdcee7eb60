"""How a watch reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from advisor.cli.drift_view import TITLES
from advisor.cli.drift_view import document as drift_document
from advisor.cli.drift_view import sections as drift_sections
from advisor.cli.output import Col, Listing
from advisor.cli.sections import Paragraph

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from advisor.cli.sections import Section
    from advisor.recommendation.drift_reasons import Reason
    from advisor.recommendation.watching import Said, Watched

_COLUMNS: Final = (
    Col("file", "Plan"),
    Col("verdict", "Verdict"),
    Col("new", "New", wrap=True),
    Col("before", "Said before", wrap=True),
    Col("over", "Over", wrap=True),
    Col("remarks", "Runs, but not sold any more", wrap=True, importance=2),
)


def sections(seen: Sequence[tuple[Path, Watched]]) -> Iterator[Section]:
    """One line a plan, then the whole drift of every plan that has news."""
    lines = [_line(path, one) for path, one in seen]
    columns = tuple(col for col in _COLUMNS if any(line[col.key] for line in lines))
    yield Listing("Standing plans", columns, lines)
    for path, one in seen:
        if one.new:
            news = (f"{TITLES[reason.kind.value]}: {reason.text}" for reason in one.new)
            yield Paragraph(f"{path.stem}: new", tuple(news))
            yield from drift_sections(one.drift, is_told=len(one.new) == len(one.drift.reasons))


def _line(path: Path, one: Watched) -> dict[str, Any]:
    return {
        "file": path.stem,
        "verdict": _verdict(one),
        "new": _names(one.new),
        "before": "; ".join(filter(None, (_names(one.repeated), _aside(one)))),
        "over": _names(one.over),
        "remarks": ", ".join(reason.subject for reason in one.remarks),
    }


def _verdict(one: Watched) -> str:
    stands = one.new or one.repeated or one.put_aside
    return ("drift" if stands else "holds") + (", runs" if one.runs else "")


def _names(reasons: Iterable[Reason | Said]) -> str:
    return ", ".join(dict.fromkeys(TITLES[reason.kind.value] for reason in reasons))


def _aside(one: Watched) -> str:
    return f"put aside: {_names(one.put_aside)}" if one.put_aside else ""


def document(seen: Sequence[tuple[Path, Watched]]) -> dict[str, Any]:
    """The watch as plain data."""
    return {
        "schema_version": 1,
        "kind": "watch",
        "news": any(one.new for _, one in seen),
        "plans": [
            {
                "file": str(path),
                "runs": one.runs,
                "new": _keys(one.new),
                "repeated": _keys(one.repeated),
                "put_aside": _keys(one.put_aside),
                "over": _keys(one.over),
                "remarks": _keys(one.remarks),
                "drift": drift_document(one.drift),
            }
            for path, one in seen
        ],
    }


def _keys(reasons: Iterable[Reason | Said]) -> list[dict[str, str]]:
    return [{"kind": reason.kind.value, "subject": reason.subject} for reason in reasons]
