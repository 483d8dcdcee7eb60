"""`--prices`: a user's own price sheet for one question."""

from __future__ import annotations

from typing import TYPE_CHECKING

from advisor.cli.output import note

if TYPE_CHECKING:
    from pathlib import Path


def priced(snapshot: str | Path | None, prices: Path | None) -> str | Path | None:
    """The snapshot to ask: the one named, or that with the sheet's prices; what cannot be used is told."""
    if prices is None:
        return snapshot
    from advisor.catalog.facts import load_facts
    from advisor.catalog.store import Store, advisor_home, shipped_folder
    from advisor.clock import now_utc
    from advisor.refresh.quoting import quoted

    store = Store(home=advisor_home(), shipped=shipped_folder())
    path, said = quoted(store.open(snapshot), prices, store.home, load_facts(), now_utc())
    note(*(f"advisor: {words}" for words in said))
    return path
