"""The current fleet: what is rented now, read from a fleet file or from the tools that run it."""

from __future__ import annotations

from advisor.fleet.fleet import Fleet, HeldLine, Unrecognised
from advisor.fleet.fleet_file import read_fleet

__all__ = ["Fleet", "HeldLine", "Unrecognised", "read_fleet"]
