"""A user's price sheet laid over a snapshot for one question, without a refresh.

The prices that result are a snapshot of their own, in a folder where nobody looks for the newest; by its id
everything that later asks about the plan finds them. The same sheet over the same snapshot on the same day is
the same snapshot.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from advisor.catalog.store import QUOTES
from advisor.errors import AdvisorError, ProviderError, UsageError
from advisor.provider import Scope, load_provider
from advisor.refresh.publishing import written
from advisor.refresh.refresh import gate_of, refresh

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from advisor.catalog.facts import Facts
    from advisor.catalog.snapshot import Snapshot
    from advisor.provider import Provider

_ADAPTER: Final = "sheet"
_VARIABLE: Final = "ADVISOR_SHEET"


def quoted(
    snapshot: Snapshot, sheet: Path, home: Path, facts: Facts, now: datetime
) -> tuple[Path, list[str]]:
    """Where the snapshot with the sheet's prices is, and what of the sheet could not be used, in sentences.

    Args:
        snapshot: as it was published.
        sheet: CSV, YAML or XLSX file.
        home: ``$ADVISOR_HOME``.
        facts: which accelerators there are.
        now: the day the sheet is of, unless its rows say.

    Raises:
        InputFileError: the sheet or one of its fields is not what it must be; nothing of it is used.
        UsageError: the prices reach nothing, or cannot be kept.
    """
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    moment = max(today, snapshot.info.created_at)
    result = refresh({_ADAPTER: _on(sheet)}, Scope(), snapshot, moment, gate=gate_of(facts), named={_ADAPTER})
    outcome = result.outcomes[0]
    if outcome.collected is None:
        raise UsageError(f"--prices {sheet}: {outcome.why}")
    title = f"Prices of {sheet.name} over {snapshot.info.snapshot_id}"
    try:
        path, lost = written(result, home / QUOTES, snapshot.info.created_at, title)
    except AdvisorError as error:
        raise UsageError(f"--prices {sheet}: {error}") from error
    said = [
        *(f"{one.offer_id} is held back: {one.detail}" for one in result.verdict.held),
        *(f"{one.offer_id} is refused: {one.detail}" for one in result.verdict.refused),
        *(one.detail for one in result.rejections),
        *result.warnings,
        *lost,
    ]
    return path, [f"{sheet}: {words}" for words in said]


def _on(sheet: Path) -> Provider | AdvisorError:
    try:
        return load_provider(_ADAPTER).from_env({**os.environ, _VARIABLE: str(sheet)})
    except ProviderError as error:
        return error
