"""HTTP access for adapters: base URLs, credentials, JSON with exact numbers, errors of our own tree.

Environment (all optional): ``ADVISOR_HTTP_CACHE`` (file), ``ADVISOR_HTTP_CACHE_S``, ``ADVISOR_HTTP_STALE_S``,
``ADVISOR_HTTP_TIMEOUT_S``, ``ADVISOR_HTTP_RETRIES``, ``ADVISOR_HTTP_BACKOFF_S``, ``ADVISOR_HTTP_MAX_BYTES``,
``ADVISOR_HTTP_RATE`` (requests a second and host, 0 is no limit), ``ADVISOR_HTTP_AT_ONCE`` (per host).
"""

from __future__ import annotations

import json
import sqlite3
import threading
import weakref
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

from advisor.errors import AccessDenied, InputFileError, PayloadError, ProviderError, Unavailable, UsageError
from advisor.provider import Answer
from providers._pace import Pace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from requests_cache import AnyResponse

    from providers._session import PriceSession

    _Decode = Callable[[str, bytes], object]

DEEPEST: Final = 64
_LOOPBACK: Final = ("127.0.0.1", "::1")


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
    if parts.scheme != "https" and not (parts.scheme == "http" and host in _LOOPBACK):
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


class Endpoint:
    """One vendor's API: asks, retries, caches, and answers with numbers as the vendor wrote them."""

    def __init__(
        self, provider: str, base: str, settings: HttpSettings, headers: Mapping[str, str] | None = None
    ) -> None:
        self._provider = provider
        self._base = base
        self._settings = settings
        self._headers = dict(headers or {})  # credentials; never in a URL, a message or a repr
        self._session: PriceSession | None = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Endpoint({self._provider!r}, {self._base!r})"

    def get(self, operation: str, path: str, params: Mapping[str, str] | None = None) -> Answer:
        """The answer to a GET.

        Raises:
            AccessDenied: 401 or 403.
            Unavailable: no connection, a time-out, 429 or 5xx after all retries.
            PayloadError: anything else that is not whole JSON.
        """
        return self._ask(operation, "GET", path, params=dict(params or {}))

    def post(self, operation: str, path: str, body: Mapping[str, object]) -> Answer:
        """The answer to a POST that only asks; errors as :meth:`get`."""
        return self._ask(operation, "POST", path, json=dict(body))

    def file(self, operation: str, path: str) -> Answer:
        """The bytes of a file, not read as JSON; errors as :meth:`get`."""
        from providers._session import FILES

        headers = {**self._headers, "Accept": FILES}
        return self._ask(operation, "GET", path, _undecoded, headers=headers)

    def _ask(
        self, operation: str, method: str, path: str, decode: _Decode | None = None, **sent: Any
    ) -> Answer:
        url = self._base if self._base.endswith(path) else self._base + path
        where = f"{self._provider}: {operation}"
        sent = {"headers": self._headers, **sent}
        try:
            response = self._send(where, method, url, **sent)
            _check_status(where, response)
        except Unavailable:
            older = self._older(method, url, **sent)
            if older is None:
                raise
            return _answer(where, older, decode or decoded, stale=True)
        return _answer(where, response, decode or decoded, stale=False)

    def _send(self, where: str, method: str, url: str, **sent: Any) -> AnyResponse:
        import requests

        timeout = self._settings.timeout_s
        proxies = {"no_proxy": "127.0.0.1,::1"} if urlsplit(url).hostname in _LOOPBACK else None
        options: dict[str, Any] = {"timeout": timeout, "proxies": proxies, **sent}
        try:
            try:
                return self._opened().request(method, url, **options)
            except sqlite3.Error:  # a full disk or a broken file must not cost the answer
                return self._reopened_in_memory().request(method, url, **options)
        except requests.RequestException as error:
            # `from None`: an exception of requests may carry headers, and with them the credential
            raise _translated(where, error, urlsplit(url).hostname or "", timeout) from None

    def _older(self, method: str, url: str, **sent: Any) -> AnyResponse | None:
        """An expired answer to the same request that may still stand in, else None."""
        import requests

        session = self._opened()
        prepared = session.prepare_request(requests.Request(method, url, **sent))
        try:
            found = session.cache.get_response(session.cache.create_key(prepared))
        except sqlite3.Error:
            return None
        oldest = datetime.now(UTC) - timedelta(seconds=self._settings.cache_s + self._settings.stale_s)
        return found if found is not None and found.created_at.astimezone(UTC) > oldest else None

    def _opened(self) -> PriceSession:
        from providers._session import open_session

        with self._lock:
            if self._session is None:
                self._session = open_session(self._settings)
                weakref.finalize(self, self._session.close)
            return self._session

    def _reopened_in_memory(self) -> PriceSession:
        from providers._session import memory_session

        with self._lock:
            self._session = memory_session(self._settings)
            weakref.finalize(self, self._session.close)
            return self._session


def _translated(where: str, error: Exception, host: str, timeout_s: float) -> ProviderError:
    """Our error for one of requests; its own text is left out, since it may hold addresses and headers."""
    import requests

    from providers._session import AnswerTooLarge, EchoedCredential, RefusedRedirect

    if isinstance(error, AnswerTooLarge):
        return PayloadError(f"{where}: the answer is {error}; raise ADVISOR_HTTP_MAX_BYTES if that is right")
    if isinstance(error, EchoedCredential):
        return PayloadError(f"{where}: the answer repeats the credential; it was thrown away")
    if isinstance(error, RefusedRedirect):
        return PayloadError(f"{where}: {error}; it was not followed")
    if isinstance(error, requests.exceptions.SSLError):
        return Unavailable(f"{where}: the server's certificate could not be verified")
    if isinstance(error, requests.exceptions.ChunkedEncodingError | requests.exceptions.ContentDecodingError):
        return PayloadError(f"{where}: the answer broke off before its end")
    if isinstance(error, requests.ConnectionError | requests.Timeout):
        return Unavailable(f"{where}: {unreached(error, host, timeout_s)}; try again later")
    return Unavailable(f"{where}: the request failed ({type(error).__name__})")


def unreached(error: Exception, host: str, timeout_s: float) -> str:
    """Why there was no answer, in words that name the host and nothing else of the address."""
    import requests
    from urllib3.exceptions import NewConnectionError, ProxyError, TimeoutError

    raised = error.args[0] if error.args else None
    cause = getattr(raised, "reason", raised)
    if isinstance(cause, ProxyError):
        return "could not connect to the proxy"
    if isinstance(cause, NewConnectionError):  # refused, unreachable, or no such name
        return f"could not connect to {host}"
    if isinstance(error, requests.Timeout) or isinstance(cause, TimeoutError):
        return f"no answer within {timeout_s:g} s"
    return f"the connection to {host} broke off"


def _check_status(where: str, response: AnyResponse) -> None:
    status = response.status_code
    if status in (401, 403):
        raise AccessDenied(
            f"{where}: access denied (HTTP {status}); check the key and what it may do:"
            " `advisor refresh --explain-permissions`"
        )
    if status in (408, 425, 429) or status >= 500:
        raise Unavailable(f"{where}: HTTP {status} after all retries; try again later")
    if status != 200:
        raise PayloadError(f"{where}: HTTP {status} where 200 was expected; the API may have changed")


def _answer(where: str, response: AnyResponse, decode: _Decode, *, stale: bool) -> Answer:
    created = response.created_at.astimezone(UTC) if response.from_cache else None
    raw_retries = getattr(response.raw, "retries", None)
    return Answer(
        payload=decode(where, response.content or b""),
        received_at=created,
        vendor_time=_http_date(response.headers.get("Date")),
        stale=stale,
        retries=len(raw_retries.history) if raw_retries is not None and not response.from_cache else 0,
    )


def _undecoded(where: str, content: bytes) -> object:
    return content


def decoded(where: str, content: bytes) -> object:
    """JSON with every fractional number as the Decimal that was written.

    Raises:
        PayloadError: it is not JSON, or cut short.
    """
    try:
        payload = json.loads(content, parse_float=_exact, parse_constant=_exact)
    except (ValueError, RecursionError):
        raise PayloadError(f"{where}: the answer is not whole JSON ({len(content)} bytes)") from None
    if _nested_deeper(payload, DEEPEST):
        raise PayloadError(f"{where}: the answer is nested more than {DEEPEST} levels deep")
    return cast("object", payload)


def _nested_deeper(payload: object, levels: int) -> bool:
    level = [payload]
    for _ in range(levels):
        children = [
            node.values() if isinstance(node, dict) else node
            for node in level
            if isinstance(node, dict | list)
        ]
        level = [child for group in children for child in group]
        if not level:
            return False
    return True


def _exact(text: str) -> Decimal:
    try:
        return Decimal(text)
    except ArithmeticError:
        return Decimal("NaN")  # an exponent no decimal can hold: no number anybody means


def _http_date(text: str | None) -> datetime | None:
    try:
        at = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
