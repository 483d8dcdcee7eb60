"""Adapters of this repository, each reached through its genuine ``from_env`` over a loopback server."""

from __future__ import annotations

import importlib
import pkgutil
import warnings
from datetime import UTC, datetime

import pytest

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TOKEN = "tok-5ecret-do-not-store-9f2c7d"  # noqa: S105  made up


def adapter_classes() -> dict[str, type]:
    """Provider name to class, for every public module of the built-in package."""
    import providers

    found = {}
    for module in pkgutil.iter_modules(providers.__path__):
        if module.name.startswith("_"):
            continue
        loaded = importlib.import_module(f"providers.{module.name}")
        classes = [
            thing
            for thing in vars(loaded).values()
            if isinstance(thing, type) and thing.__module__ == loaded.__name__ and hasattr(thing, "from_env")
        ]
        assert len(classes) == 1, f"providers.{module.name} holds {len(classes)} adapters"
        found[classes[0].name] = classes[0]
    return found


ADAPTERS = adapter_classes()


@pytest.fixture
def environ_for(tmp_path):
    """The environment an adapter is built from: redirected, keyed, impatient."""

    def build(provider: str, url: str, **more: str) -> dict[str, str]:
        return {
            f"ADVISOR_{provider.upper()}_URL": url,
            f"{provider.upper()}_API_KEY": TOKEN,
            "ADVISOR_HTTP_CACHE": str(tmp_path / "cache" / "http.sqlite"),
            "ADVISOR_HTTP_TIMEOUT_S": "0.3",
            "ADVISOR_HTTP_BACKOFF_S": "0.001",
            "ADVISOR_HTTP_RETRIES": "1",
            **more,
        }

    return build


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture(autouse=True)
def _warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
