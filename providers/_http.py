"""HTTP access for adapters: JSON with exact numbers, retries and cache behind it, errors of our own tree."""

from __future__ import annotations

import json
import sqlite3
import threading
import weakref
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

from advisor.errors import AccessDenied, PayloadError, ProviderError, Unavailable
from advisor.provider import Answer
from providers._settings import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from requests_cache import AnyResponse

    from providers._session import PriceSession
    from providers._settings import HttpSettings

    _Decode = Callable[[str, bytes], object]

DEEPEST: Final = 64


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
        proxies = {"no_proxy": "127.0.0.1,::1"} if urlsplit(url).hostname in LOOPBACK else None
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
