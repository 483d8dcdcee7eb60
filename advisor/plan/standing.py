"""The plans somebody stands by: those kept in ``ADVISOR_HOME/plans``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from advisor.errors import AdvisorError
from advisor.plan.read import stated_plan

if TYPE_CHECKING:
    from pathlib import Path

    from advisor.plan.plan import Plan


def plan_files(home: Path) -> list[Path]:
    """Files of the folder, by name; none where there is no folder."""
    return sorted((home / "plans").glob("*.json"))


def standing_plans(home: Path) -> dict[str, Plan]:
    """The plans by the name of their file; of what cannot be read as a plan, `advisor watch` says so."""
    found = {}
    for path in plan_files(home):
        try:
            found[path.stem] = stated_plan(path)
        except AdvisorError:
            continue
    return found
