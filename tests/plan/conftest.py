"""Fixtures of the plan's tests."""

from __future__ import annotations

from typing import Any

import plan_builder
import pytest


@pytest.fixture
def document() -> dict[str, Any]:
    """The hand-made plan, as JSON."""
    return plan_builder.a_plan_document()
