"""What adapters take from the environment: base URLs, credentials, how patient and how thrifty HTTP is.

All optional: ``ADVISOR_HTTP_CACHE`` (file), ``ADVISOR_HTTP_CACHE_S``, ``ADVISOR_HTTP_STALE_S``,
``ADVISOR_HTTP_TIMEOUT_S``, ``ADVISOR_HTTP_RETRIES``, ``ADVISOR_HTTP_BACKOFF_S``, ``ADVISOR_HTTP_MAX_BYTES``,
``ADVISOR_HTTP_RATE`` (requests a second and host, 0 is no limit), ``ADVISOR_HTTP_AT_ONCE`` (per host).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from advisor.errors import InputFileError, UsageError
from providers._pace import Pace

if TYPE_CHECKING:
    from collections.abc import Mapping

LOOPBACK: Final = ("127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """How patient and how thrifty to be. Each has an environment variable, see this module."""

    cache_path: Path
    cache_s: float = 300.0  #: answers younger than this are not asked for again; 0 switches the cache off
    stale_s: float = 6 * 3600.0  #: an expired answer may stand in for a failed request for so long
    timeout_s: float = 30.0  #: to connect, and between two pieces of an answer
    total_s: float = 180.0  #: for one whole answer
    retries: int = 3
    backoff_s: float = 0.5  #: first pause; doubles, with as much again of jitter
    max_bytes: int = 64 * 2**20  #: of one answer, unpacked
    pace: Pace = field(default_factory=Pace)  #: of one host


def base_url(environ: Mapping[str, str], variable: str, default: str) -> str:
    """The vendor's base URL, or the one the environment redirects to, without a trailing slash.

    Raises:
        UsageError: neither https nor plain http on the loopback address, or it carries more than a path.
    """
    value = environ.get(variable, "").strip() or default
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    allowed = "use https://HOST[:PORT][/PATH], or http://127.0.0.1:PORT for a server on this machine"
    if not host:
        raise UsageError(f"{variable} is not a URL; {allowed}")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UsageError(f"{variable} carries a user, a query or a fragment; {allowed}")
    if parts.scheme != "https" and not (parts.scheme == "http" and host in LOOPBACK):
        raise UsageError(f"{variable} is {parts.scheme}://{host}, which is not allowed; {allowed}")
    return value.rstrip("/")


def credential(environ: Mapping[str, str], variable: str) -> str | None:
    """The key in the environment, None where there is none.

    Raises:
        UsageError: it holds characters no key holds (the value is never shown).
    """
    value = environ.get(variable, "").strip()
    if not value:
        return None
    if not (value.isascii() and value.isprintable() and " " not in value):
        raise UsageError(f"{variable} holds characters that cannot be part of a key; set it again")
    return value


def http_settings(environ: Mapping[str, str]) -> HttpSettings:
    """Settings of HTTP access from the environment.

    Raises:
        InputFileError: a number that is not one, or too small.
    """
    given = environ.get("ADVISOR_HTTP_CACHE", "").strip()
    default = HttpSettings(Path(given) if given else _default_cache_path())
    return replace(
        default,
        cache_s=_number(environ, "ADVISOR_HTTP_CACHE_S", default.cache_s, 0),
        stale_s=_number(environ, "ADVISOR_HTTP_STALE_S", default.stale_s, 0),
        timeout_s=_number(environ, "ADVISOR_HTTP_TIMEOUT_S", default.timeout_s, 0.01),
        backoff_s=_number(environ, "ADVISOR_HTTP_BACKOFF_S", default.backoff_s, 0),
        retries=int(_number(environ, "ADVISOR_HTTP_RETRIES", default.retries, 0)),
        max_bytes=int(_number(environ, "ADVISOR_HTTP_MAX_BYTES", default.max_bytes, 1)),
        pace=Pace(
            per_s=_number(environ, "ADVISOR_HTTP_RATE", default.pace.per_s, 0),
            at_once=int(_number(environ, "ADVISOR_HTTP_AT_ONCE", default.pace.at_once, 1)),
        ),
    )


def _number(environ: Mapping[str, str], variable: str, default: float, low: float) -> float:
    text = environ.get(variable, "").strip()
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not low <= value < 1e12:
        raise InputFileError("environment", variable, text, f"a number of at least {low:g}")
    return value


def _default_cache_path() -> Path:
    import platformdirs

    return Path(platformdirs.user_cache_path("advisor")) / "http.sqlite"
