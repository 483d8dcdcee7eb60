"""The summary of a refresh: as data, and as it fits a screen, a mail or a pull request."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advisor.catalog.held import Kind
from advisor.cli.output import Col, Listing, listing_markdown, listing_table, markdown_cell
from advisor.cli.refresh_progress import number_text
from advisor.refresh.affected import affected
from advisor.refresh.collecting import State
from advisor.refresh.merging import Counts
from advisor.text import printable
from advisor.units import decimal_text, usd_text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from advisor.catalog.gate.finding import Finding
    from advisor.plan.plan import Plan
    from advisor.refresh.collecting import Outcome
    from advisor.refresh.refresh import RefreshResult

_SHOWN = 6
"""Lines of each kind in the summary; JSON has them all."""

_OF_A_PLAN = {
    "gone": "no longer sold",
    "held": "held back",
    "moved": "moved",
    "unread": "kept as before: what was said could not be used",
    "unlisted": "did not come; kept as before",
}


def summarised(
    result: RefreshResult,
    path: Path | None,
    warnings: Sequence[str],
    plans: Mapping[str, Plan],
    *,
    strict: bool,
    dry_run: bool,
) -> dict[str, Any]:
    """Everything worth telling, as JSON shows it."""
    names = {outcome.provider for outcome in result.outcomes}
    said = [words for outcome in result.outcomes if outcome.collected for words in outcome.collected.warnings]
    verdict = result.verdict
    return {
        "started_at": result.now.isoformat(),
        "exit_code": result.exit_code(strict=strict),
        "dry_run": dry_run,
        "providers": [_provider(outcome, result) for outcome in result.outcomes],
        "not_asked": {
            name: counts.kept for name, counts in sorted(result.counts.items()) if name not in names
        },
        "missing": list(result.missing(strict=strict)),
        "unseen": [
            {
                "provider": o.provider,
                "what": u.what.value,
                "market": u.market and u.market.value,
                "why": u.why,
            }
            for o in result.outcomes
            if o.collected
            for u in o.collected.unseen
        ],
        "plans": {
            "standing": sorted(plans),
            "affected": [asdict(one) for one in affected(result, plans)],
        },
        "held": [_finding(finding) for finding in verdict.held],
        "refused": [_finding(finding) for finding in verdict.refused],
        "notes": [_finding(finding) for finding in verdict.notes],
        "accepted": [
            {
                "id": one.held.id,
                "offer": one.held.offer_id,
                "before_usd_per_hour": one.before and one.before.usd_per_hour,
                "after_usd_per_hour": one.held.stated and one.held.stated.usd_per_hour,
            }
            for one in result.accepted
        ],
        "withdrawn": [{"offer": one.offer.id, "why": one.why} for one in result.withdrawn],
        "unread": [
            {"offer": one.offer.id, "reason": one.rejection.reason, "detail": one.rejection.detail}
            for one in result.unread
        ],
        "unlisted": [one.offer_id for one in result.held if one.kind is Kind.UNLISTED],
        "moves": _moves(result),
        "quotas": {"found": len(result.quotas)},
        "warnings": [*warnings, *said, *result.warnings],
        "snapshot": None
        if path is None
        else {"id": path.stem, "path": str(path), "offers": len(result.offers), "bytes": path.stat().st_size},
        "previous_snapshot": result.previous.info.snapshot_id if result.previous else None,
        "next_steps": list(_next_steps(result, path, dry_run=dry_run)),
    }


def _provider(outcome: Outcome, result: RefreshResult) -> dict[str, Any]:
    collected = outcome.collected
    counts = result.counts.get(outcome.provider, Counts())
    rejections = outcome.rejections + Counter(
        rejection.reason for rejection in result.rejections if rejection.provider == outcome.provider
    )
    return {
        "provider": outcome.provider,
        "state": outcome.state.value,
        "why": outcome.why,
        "regions": len(collected.regions_done) if collected else 0,
        "rows": len(collected.offers) if collected else 0,
        **asdict(counts),
        "retries": collected.retries if collected else 0,
        "rejections": dict(sorted(rejections.items())),
        "rejected": rejections.total(),
        "quotas": len(collected.quotas) if collected else 0,
        "seconds": round(outcome.seconds, 1),
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "id": finding.confirm_id,
        "detector": finding.detector,
        "offer": finding.offer_id,
        "before_usd_per_hour": finding.before,
        "after_usd_per_hour": finding.after,
        "detail": finding.detail,
    }


def _moves(result: RefreshResult) -> list[dict[str, Any]]:
    """Prices of the same offer that changed, by share, the largest first."""
    from advisor.catalog.diff import diff
    from advisor.catalog.snapshot import Snapshot

    if result.previous is None:
        return []
    found = diff(result.previous, Snapshot(result.previous.info, result.offers, ""))
    moves = sorted((*found.rose, *found.fell), key=lambda move: (-abs(move.percent), move.offer_id))
    return [
        {
            "offer": move.offer_id,
            "before_usd_per_hour": move.old.usd_per_hour,
            "after_usd_per_hour": move.new.usd_per_hour,
            "change_pct": round(float(move.percent), 1),
        }
        for move in moves
    ]


def _next_steps(result: RefreshResult, path: Path | None, *, dry_run: bool) -> Iterator[str]:
    for words, found in (
        ("Confirm a price that is held back, if it is true", [f for f in result.verdict.held if f.offer]),
        ("Let rows go that did not come, if they are gone", [f for f in result.verdict.held if not f.offer]),
    ):
        if found:
            confirm_id, _ = Counter(finding.confirm_id for finding in found).most_common()[-1]
            yield f"{words}: advisor refresh --accept {confirm_id}"
    if any(outcome.state is State.NOT_SET_UP for outcome in result.outcomes):
        yield "What the others need: advisor refresh --explain-permissions"
    if dry_run and result.is_anything_new:
        yield "Publish it: the same without --dry-run"
    if path is not None:
        yield "All that changed: advisor catalog diff"
        yield "Plan on it: advisor recommend"


_COLUMNS = (
    Col("provider", "Provider"),
    Col("state", "State"),
    Col("regions", "Regions", numeric=True, importance=3),
    Col("rows", "Rows", numeric=True),
    Col("new", "New", numeric=True),
    Col("changed", "Changed", numeric=True),
    Col("same", "Same", numeric=True, importance=4),
    Col("kept", "Kept old", numeric=True),
    Col("dropped", "Gone", numeric=True),
    Col("rejected", "Unusable", numeric=True, importance=2),
    Col("retries", "Retries", numeric=True, importance=5),
    Col("seconds", "Seconds", numeric=True, importance=2),
)


def rendered(summary: Mapping[str, Any], width: int) -> list[RenderableType]:
    """Table and lists for a terminal or a mail."""
    from rich.text import Text

    parts: list[RenderableType] = [listing_table(_listing(summary), width)]
    for title, lines in _sections(summary):
        parts.append(Text(f"\n{title}", style="bold"))
        parts += [Text(line) for words in lines for line in _folded(words, width)]
    return parts


def _folded(words: str, width: int) -> list[str]:
    """An item of a list as lines; where it takes several, the others stand further in. Ids stay whole."""
    return textwrap.wrap(
        printable(words),
        width,
        initial_indent="  ",
        subsequent_indent="      ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def markdown(summary: Mapping[str, Any]) -> str:
    """The same as Markdown, for a pull request or a chat message."""
    parts = [listing_markdown(_listing(summary))]
    for title, lines in _sections(summary):
        parts.append(
            f"**{markdown_cell(title)}**\n\n" + "\n".join(f"- {markdown_cell(line)}" for line in lines)
        )
    return "\n\n".join(parts)


def _listing(summary: Mapping[str, Any]) -> Listing:
    started = datetime.fromisoformat(summary["started_at"])
    suffix = " (dry run)" if summary["dry_run"] else ""
    return Listing(f"Refresh of {started:%Y-%m-%d %H:%M} UTC{suffix}", _COLUMNS, summary["providers"])


def _sections(summary: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    if summary["plans"]["standing"]:
        yield "Your plans", list(_plans(summary["plans"]))
    failed = [f"{p['provider']}: {p['why']}" for p in summary["providers"] if _is_missed(p)]
    if failed:
        yield "Not answered", failed
    for key, title, line in (
        ("accepted", "Confirmed", lambda one: f"{_prices(one)}  {one['offer']}"),
        ("withdrawn", "Gone", lambda one: f"{one['offer']}: {one['why']}"),
        (
            "unread",
            "Kept as before: what was said could not be used",
            lambda one: f"{one['offer']}: {one['reason']}: {one['detail']}",
        ),
        ("unlisted", "Did not come; gone if they do not come again", str),
    ):
        if summary[key]:
            rows = number_text(len(summary[key]), "row")
            yield f"{title} ({rows})", _first(map(line, summary[key]), len(summary[key]))
    moves = summary["moves"]
    if moves:
        yield f"Prices that moved most ({len(moves):,} changed)", _first(map(_move, moves), len(moves))
    for key, title in (
        ("held", "Held back by the gate until confirmed; the old rows stay"),
        ("refused", "Refused by the gate"),
    ):
        if summary[key]:
            groups = _grouped(summary[key])
            rows = number_text(len(summary[key]), "row")
            yield f"{title} ({rows})", _first(map(_judged, groups), len(groups))
    if unusable := _unusable(summary):
        yield "Items that could not be used, by reason", unusable
    if unseen := _unseen(summary["unseen"]):
        yield "Could not be seen", _first(iter(unseen), len(unseen), at_most=12)
    if summary["warnings"]:
        yield "Warnings", _first(iter(summary["warnings"]), len(summary["warnings"]))
    yield "Catalog", list(_catalog(summary))
    if summary["next_steps"]:
        yield "Next", summary["next_steps"]


def _plans(plans: Mapping[str, Any]) -> Iterator[str]:
    """What moved under them, line by line; then those of which nothing did."""
    for one in plans["affected"]:
        prices = f" {_prices(one)}" if one["after_usd_per_hour"] is not None else ""
        month = one["usd_per_month"]
        more = "" if not month else f", {'+' if month > 0 else '-'}${usd_text(abs(month))} a month"
        said = _OF_A_PLAN[one["what"]]
        yield f"{one['plan']}: {one['instances']} × {one['offer_id']} {said}{prices}{more}"
    still = [name for name in plans["standing"] if name not in {one["plan"] for one in plans["affected"]}]
    if still:
        yield f"no line of {', '.join(still)} moved"


def _is_missed(provider: Mapping[str, Any]) -> bool:
    """Whether its silence is worth a line: what is not set up and has no row in the catalog is none."""
    return bool(provider["why"]) and (provider["state"] != State.NOT_SET_UP or provider["kept"] > 0)


def _first(lines: Iterator[str], number: int, at_most: int = _SHOWN) -> list[str]:
    shown = [line for _, line in zip(range(at_most), lines, strict=False)]
    return [*shown, f"and {number - at_most:,} more: --format json"] if number > at_most else shown


def _move(move: Mapping[str, Any]) -> str:
    return f"{move['change_pct']:+.1f} %  {_prices(move)}  {move['offer']}"


def _grouped(findings: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Findings that are confirmed together, the most rows first."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for finding in findings:
        groups.setdefault(finding["id"], []).append(finding)
    return sorted(groups.values(), key=len, reverse=True)


def _judged(group: Sequence[Mapping[str, Any]]) -> str:
    first = group[0]
    head, one = f"{first['id']}  {first['detector']}", f"{first['offer']}  {_prices(first)}"
    if len(group) == 1:
        return f"{head}  {one}: {first['detail']}"
    return f"{head}  {len(group):,} rows: {first['detail']}; e.g. {one}"


def _prices(record: Mapping[str, Any]) -> str:
    before, after = record["before_usd_per_hour"], record["after_usd_per_hour"]
    old = "new" if before is None else f"${decimal_text(before)}"
    return f"{old} /h → gone" if after is None else f"{old} → ${decimal_text(after)} /h"


def _unusable(summary: Mapping[str, Any]) -> list[str]:
    return [
        f"{p['provider']}: " + ", ".join(f"{reason} {count:,}" for reason, count in p["rejections"].items())
        for p in summary["providers"]
        if p["rejections"]
    ]


def _unseen(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    """What could not be seen, by provider and reason."""
    whats: dict[tuple[str, str], list[str]] = {}
    for line in lines:
        name = line["provider"]
        what = f"{line['market']} {line['what']}" if line["market"] else line["what"]
        whats.setdefault((name, line["why"].removeprefix(f"{name}: ")), []).append(what)
    return [f"{name} {', '.join(what)}: {why}" for (name, why), what in whats.items()]


def _catalog(summary: Mapping[str, Any]) -> Iterator[str]:
    snapshot = summary["snapshot"]
    if snapshot:
        yield f"Snapshot {snapshot['id']}: {snapshot['offers']:,} offers, {snapshot['bytes']:,} bytes"
        yield snapshot["path"]
    else:
        yield f"Nothing published; {summary['previous_snapshot'] or 'no snapshot'} stays in force."
    if summary["not_asked"]:
        rows = ", ".join(f"{name} {count:,}" for name, count in summary["not_asked"].items())
        yield f"Not asked; rows and time stamps as before: {rows}"
    quotas = summary["quotas"]
    if "written" in quotas:
        unknown = quotas["unknown_pools"]
        others = f", {unknown:,} on pools the catalog does not know left out" if unknown else ""
        place = f" to {quotas['path']}" if quotas["path"] else ""
        yield f"{number_text(quotas['written'], 'quota')} written{place}{others}"
    elif quotas["found"]:
        yield f"{number_text(quotas['found'], 'quota')} found, not written: --save-quotas does"
