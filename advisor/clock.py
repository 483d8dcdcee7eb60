"""The present, read in one place, so that an answer can be made again as it was."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from advisor.errors import UsageError


def now_utc() -> datetime:
    """The present, to the second; ``SOURCE_DATE_EPOCH`` pins it.

    Prices are stamped with the true time of their fetch, which nothing pins.

    Raises:
        UsageError: ``SOURCE_DATE_EPOCH`` is not a time.
    """
    pinned = os.environ.get("SOURCE_DATE_EPOCH")
    if pinned is None:
        return datetime.now(UTC).replace(microsecond=0)
    try:
        return datetime.fromtimestamp(int(pinned), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(f"SOURCE_DATE_EPOCH: {pinned!r} is not allowed; whole seconds since 1970") from error
