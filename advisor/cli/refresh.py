"""`advisor refresh`: today's prices from every provider that can be reached."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from advisor.cli.output import Col, Format, Listing, json_text, note, write_listing, write_text
from advisor.errors import AdvisorError, NothingPublished, ProviderError, UsageError

if TYPE_CHECKING:
    from advisor.catalog.snapshot import Snapshot
    from advisor.provider import Provider, Scope
    from advisor.refresh.refresh import RefreshResult


class Dress(StrEnum):
    """Formats the summary can wear."""

    TABLE = "table"
    JSON = "json"
    MARKDOWN = "markdown"


@dataclass(frozen=True, slots=True)
class Asked:
    """What the user asked for, as far as fetching is concerned."""

    providers: Sequence[str]
    regions: Sequence[str]
    markets: Sequence[str]
    accept: frozenset[str]
    timeout_s: float


def refresh(
    provider: Annotated[
        list[str] | None,
        typer.Option("--provider", "-p", help="Only this provider, or a glob. Repeatable.  [default: all]"),
    ] = None,
    region: Annotated[
        list[str] | None,
        typer.Option(
            "--region",
            "-r",
            help="Only this region: us-east-1, us-*, aws:us-east-1. Repeatable.  [default: all]",
        ),
    ] = None,
    market: Annotated[
        list[str] | None,
        typer.Option("--market", "-m", help="on_demand, spot or any. Repeatable.  [default: any]"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Ask and judge, but publish nothing.")] = False,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Exit 5 also for rows that stay old for want of credentials, or that the gate refuses.",
        ),
    ] = False,
    accept: Annotated[
        list[str] | None,
        typer.Option(
            "--accept",
            help="Confirm what is held back: by id (then nobody is asked), offer, pattern of offers,"
            " detector, or all. Repeatable.",
        ),
    ] = None,
    explain_permissions: Annotated[
        bool,
        typer.Option("--explain-permissions", help="Show the least privilege each provider needs, and stop."),
    ] = False,
    save_quotas: Annotated[
        bool,
        typer.Option(
            "--save-quotas",
            help="Write the quotas found to account.collected.yaml in ADVISOR_HOME (mode 0600).",
        ),
    ] = False,
    timeout_s: Annotated[
        float, typer.Option("--timeout-s", min=1, max=86400, help="Seconds one provider may take in all.")
    ] = 900.0,
    wait_s: Annotated[
        float, typer.Option("--wait-s", min=0, max=86400, help="Seconds to wait for another refresh to end.")
    ] = 0.0,
    form: Annotated[Dress, typer.Option("--format", "-f", help="Dress of the summary.")] = Dress.TABLE,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write it to this file.")] = None,
) -> None:
    """Pull prices, availability and quotas; judge them; publish a new snapshot.

    Exit code 0 if all came, 5 if something was published but not everything, 6 if nothing was.

    Example: [b]advisor refresh --explain-permissions[/]

    Example: [b]advisor refresh --provider vast --dry-run[/]
    """
    from advisor.provider import registered

    names = _adapters(provider or [], registered())
    if explain_permissions:
        _explain(names, form, output)
        return
    if output is not None and not output.parent.is_dir():
        raise UsageError(f"cannot write {output}: there is no folder {output.parent}")
    asked = Asked(names, region or [], market or [], frozenset(accept or ()), timeout_s)
    named = frozenset(names) if provider else frozenset[str]()
    if dry_run:
        result, summary = _run(asked, named, None, strict=strict)
    else:
        result, summary = _run_and_publish(asked, named, wait_s, strict=strict)
    if save_quotas:
        summary["quotas"] |= _save_quotas(result)
    _show(summary, form, output)
    _conclude(result, summary, strict=strict)


def _adapters(patterns: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    from advisor.catalog.selection import matching_providers

    if not known:
        raise UsageError("no provider adapter is installed; reinstall the package")
    return tuple(sorted(matching_providers(patterns, known)))


def _explain(names: Sequence[str], form: Dress, output: Path | None) -> None:
    from advisor.provider import load_provider

    records = []
    for name in names:
        try:
            records.append({"provider": name, "permissions": load_provider(name).permissions.strip()})
        except ProviderError as error:
            records.append({"provider": name, "permissions": f"cannot be loaded: {error}"})
    columns = (Col("provider", "Provider"), Col("permissions", "Least privilege it needs", wrap=True))
    write_listing(Listing("What each provider needs", columns, records), Format(form.value), output)


def _run_and_publish(
    asked: Asked, named: frozenset[str], wait_s: float, *, strict: bool
) -> tuple[RefreshResult, dict[str, Any]]:
    from advisor.catalog.store import advisor_home
    from advisor.refresh.publishing import refresh_lock

    home = advisor_home()
    with refresh_lock(home, wait_s=wait_s):
        return _run(asked, named, home, strict=strict)


def _run(
    asked: Asked, named: frozenset[str], home: Path | None, *, strict: bool
) -> tuple[RefreshResult, dict[str, Any]]:
    """Ask, judge and, given a home, publish there."""
    from advisor.catalog.facts import load_facts
    from advisor.catalog.store import Store, advisor_home, shipped_folder
    from advisor.cli.refresh_progress import listening
    from advisor.cli.refresh_view import summarised
    from advisor.plan.standing import standing_plans
    from advisor.refresh.collecting import Patience
    from advisor.refresh.publishing import last_snapshot, moment_after, publish
    from advisor.refresh.refresh import gate_of
    from advisor.refresh.refresh import refresh as refreshed

    now = datetime.now(UTC)
    previous, warning = last_snapshot(Store(home=home or advisor_home(), shipped=shipped_folder()), now)
    now = moment_after(previous, now)
    scope = _scope(asked, previous)
    providers = {} if _is_known(asked, named, previous) else _built(asked.providers, os.environ)
    with listening(tuple(providers)) as listener:
        result = refreshed(
            providers,
            scope,
            previous,
            now,
            gate=gate_of(load_facts()),
            accept=asked.accept,
            named=named,
            patience=Patience(timeout_s=asked.timeout_s),
            listener=listener,
        )
    path, lost = publish(result, home) if home is not None and result.is_anything_new else (None, ())
    warnings = [words for words in (warning, *lost) if words]
    plans = standing_plans(home or advisor_home())
    return result, summarised(result, path, warnings, plans, strict=strict, dry_run=home is None)


def _is_known(asked: Asked, named: frozenset[str], previous: Snapshot | None) -> bool:
    """Whether all that is asked is to confirm what the last snapshot holds back: nobody need be asked."""
    waiting = {one.id for one in previous.held} if previous else set()
    is_narrow = bool(named or asked.regions or asked.markets)
    return bool(asked.accept) and asked.accept <= waiting and not is_narrow


def _scope(asked: Asked, previous: Snapshot | None) -> Scope:
    """What the user's words mean; a region nobody knows is a slip, not an empty refresh."""
    from advisor.catalog.facts import load_facts
    from advisor.catalog.places import matching_regions
    from advisor.catalog.selection import parse_markets
    from advisor.provider import Scope

    markets = parse_markets(asked.markets) if asked.markets else ()
    if not asked.regions:
        return Scope((), markets)
    places = set(load_facts().regions)
    places |= {f"{offer.provider}:{offer.region}" for offer in previous.offers} if previous else set()
    patterns: list[str] = []
    for words in asked.regions:
        pattern, found = words.strip(), matching_regions(words, places)
        exact = any(fnmatchcase(place, pattern if ":" in pattern else f"*:{pattern}") for place in found)
        patterns += [pattern] if exact else sorted(found)
    return Scope(tuple(dict.fromkeys(patterns)), markets)


def _built(names: Sequence[str], environ: Mapping[str, str]) -> dict[str, Provider | AdvisorError]:
    """Adapters ready to ask, or why they cannot be.

    Raises:
        UsageError: a setting is wrong; nothing is asked before the user has seen that.
    """
    from advisor.provider import load_provider

    built: dict[str, Provider | AdvisorError] = {}
    for name in names:
        try:
            built[name] = load_provider(name).from_env(environ)
        except ProviderError as error:
            built[name] = error
    return built


def _save_quotas(result: RefreshResult) -> dict[str, Any]:
    from advisor.catalog.facts import load_facts
    from advisor.catalog.store import advisor_home
    from advisor.refresh.quotas import save_quotas, usable_quotas

    usable, others = usable_quotas(result.quotas, load_facts())
    path = save_quotas(usable, advisor_home(), result.now) if usable else None
    return {"written": len(usable), "unknown_pools": others, "path": str(path) if path else None}


def _show(summary: dict[str, Any], form: Dress, output: Path | None) -> None:
    from advisor.cli.output import show
    from advisor.cli.refresh_view import markdown, rendered

    if form is Dress.JSON:
        write_text(json_text(summary), output)
    elif form is Dress.MARKDOWN:
        write_text(markdown(summary), output)
    else:
        show(lambda width: rendered(summary, width), output)


def _conclude(result: RefreshResult, summary: Mapping[str, Any], *, strict: bool) -> None:
    """End with the exit code of what happened, and the reason in one line."""
    from advisor.refresh.refresh import EXIT_NOTHING, EXIT_PARTIAL

    reason = _reason(result.missing(strict=strict), {outcome.provider for outcome in result.outcomes})
    code = result.exit_code(strict=strict)
    if code == EXIT_NOTHING:
        excuse = (
            reason or "no provider brought a row; see what each needs: advisor refresh --explain-permissions"
        )
        raise NothingPublished(f"nothing published, the catalog is as it was: {excuse}")
    if code == EXIT_PARTIAL:
        raise ProviderError(f"{'would be' if summary['dry_run'] else ''} partial: {reason}".strip())
    note(*(["dry run: nothing was published"] if summary["dry_run"] else []))


def _reason(missing: Sequence[str], asked: Collection[str]) -> str:
    """What is missing, in one line: of one provider why, of several only who; the summary has the reasons."""
    names = [words.partition(":")[0] for words in missing if words.partition(":")[0] in asked]
    if len(names) < 2:
        return "; ".join(missing)
    others = [words for words in missing if words.partition(":")[0] not in asked]
    return "; ".join([f"no full answer from {', '.join(names[:-1])} and {names[-1]}, see above", *others])
