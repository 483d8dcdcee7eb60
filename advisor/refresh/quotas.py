"""Quotas as the providers state them, as an account file of their own.

They never enter a snapshot. ``account.yaml`` is the user's and is never written; what was collected goes to
``account.collected.yaml``, readable by its owner only, and is used by saying ``--quota`` with its path.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import yaml

from advisor.catalog.quota import GLOBAL
from advisor.errors import DataError
from advisor.units import decimal_text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from advisor.catalog.facts import Facts
    from advisor.domain import QuotaLimit, QuotaPool

FILE: Final = "account.collected.yaml"


def usable_quotas(limits: Iterable[QuotaLimit], facts: Facts) -> tuple[tuple[QuotaLimit, ...], int]:
    """Limits on pools the catalog knows, one per pool and region, by key; and how many others there were."""
    pools = {(pool.provider, pool.pool): pool for pool in facts.quota_pools}
    regions = {(region.provider, region.id) for region in facts.regions.values()}
    given = list(limits)
    kept = {
        limit.key: limit
        for limit in given
        if (pool := pools.get((limit.provider, limit.pool))) is not None and _fits(limit, pool, regions)
    }
    return tuple(kept[key] for key in sorted(kept)), len(given) - len(kept)


def _fits(limit: QuotaLimit, pool: QuotaPool, regions: set[tuple[str, str]]) -> bool:
    if limit.unit is not pool.unit or (limit.region == GLOBAL) != (pool.scope == GLOBAL):
        return False
    known = any(provider == limit.provider for provider, _ in regions)
    return limit.region == GLOBAL or not known or (limit.provider, limit.region) in regions


def save_quotas(limits: Iterable[QuotaLimit], home: Path, now: datetime) -> Path:
    """Write the account file, whole or not at all, for its owner's eyes only.

    Raises:
        DataError: it cannot be written.
    """
    lines = [
        {
            "provider": limit.provider,
            "region": limit.region,
            "pool": limit.pool,
            "unit": limit.unit.value,
            "limit": _number(decimal_text(limit.limit)),
            "used": _number(decimal_text(limit.used)),
        }
        for limit in limits
    ]
    head = (
        f"# Collected by `advisor refresh --save-quotas`, {now:%Y-%m-%d %H:%M} UTC; the next replaces it.\n"
        f"# Use it: advisor recommend --quota {home / FILE}\n"
    )
    text = head + yaml.safe_dump({"quotas": lines}, sort_keys=False, allow_unicode=True)
    try:
        home.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=home, prefix=f".{FILE}.", suffix=".part")  # mkstemp: mode 0600
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            return Path(draft).replace(home / FILE)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise DataError(f"cannot write {home / FILE}: {error.strerror or error}") from error


def _number(text: str) -> int | float:
    return float(text) if "." in text else int(text)
