"""Adapters of this repository, each reached through its genuine ``from_env`` over a loopback server."""

from __future__ import annotations

import importlib
import pkgutil
import warnings
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

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


def aws_environ(url: str) -> dict[str, str]:
    """Made-up keys and redirected endpoints, as botocore and the public files have them."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "AKIAMADEUP7EXAMPLE00",
        "AWS_SECRET_ACCESS_KEY": TOKEN,
        "AWS_SESSION_TOKEN": f"session-{TOKEN}",
        "AWS_EC2_METADATA_DISABLED": "true",
        "ADVISOR_AWS_BULK_URL": url,
        "ADVISOR_AWS_SPOT_ADVISOR_URL": url,
    }


def gcp_environ(url: str) -> dict[str, str]:
    """An API key, and a project on a server that asks for no credentials."""
    return {
        "ADVISOR_GCP_BILLING_URL": url,
        "ADVISOR_GCP_COMPUTE_URL": url,
        "ADVISOR_GCP_QUOTAS_URL": url,
        "GOOGLE_API_KEY": TOKEN,
        "GOOGLE_CLOUD_PROJECT": "example-project",
    }


def loopback_environ(provider: str, url: str, folder: Path, **more: str) -> dict[str, str]:
    """The environment an adapter is built from: redirected, keyed, quick to retry, its own cache."""
    return {
        f"ADVISOR_{provider.upper()}_URL": url,
        f"{provider.upper()}_API_KEY": TOKEN,
        "ADVISOR_HTTP_CACHE": str(folder / "cache" / "http.sqlite"),
        "ADVISOR_HTTP_TIMEOUT_S": "60",  # a busy machine must not look like a slow vendor
        "ADVISOR_HTTP_BACKOFF_S": "0.001",
        "ADVISOR_HTTP_RETRIES": "1",
        **(aws_environ(url) if provider == "aws" else {}),
        **(gcp_environ(url) if provider == "gcp" else {}),
        **({"ADVISOR_AZURE_RETAIL_URL": url} if provider == "azure" else {}),
        **more,
    }


@pytest.fixture
def environ_for(tmp_path):
    """:func:`loopback_environ` with a cache of the test's own."""

    def build(provider: str, url: str, **more: str) -> dict[str, str]:
        return loopback_environ(provider, url, tmp_path, **more)

    return build


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture(autouse=True, scope="session")
def _descriptions_are_read_once():
    """AWS's descriptions of its services are megabytes, and each of a hundred clients would parse them."""
    import botocore.loaders

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.loaders, "create_loader", cache(botocore.loaders.create_loader))
        yield


@pytest.fixture(autouse=True)
def _warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
