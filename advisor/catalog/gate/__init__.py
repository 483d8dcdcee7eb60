"""The gate between what vendors said and what is published: every defect of the wall is a named detector.

A row passes, is repaired (and passes, with a note), is held until somebody confirms it, or is refused.
"""

from __future__ import annotations

from advisor.catalog.gate.finding import Action, Finding, Verdict
from advisor.catalog.gate.judge import DETECTORS, judge

__all__ = ["DETECTORS", "Action", "Finding", "Verdict", "judge"]
