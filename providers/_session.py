"""The one kind of ``requests`` session adapters use: cached, bounded, patient, and careful with credentials.

Imported only when a request is about to be made: ``requests`` and ``requests_cache`` cost 0.3 s.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from contextlib import contextmanager, suppress
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests_cache import CachedSession
from requests_cache.backends.base import BaseCache
from requests_cache.backends.sqlite import SQLiteCache, SQLiteDict
from urllib3.util.retry import Retry

from providers._pace import turnstile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from urllib3.response import BaseHTTPResponse

    from providers._settings import HttpSettings

RETRIED_STATUSES: Final = (429, 500, 502, 503, 504)
LONGEST_RETRY_AFTER_S: Final = 60.0
FILES: Final = "application/octet-stream"
"""``Accept`` of a request for a file, not for JSON."""
_CHUNK_BYTES: Final = 64 * 1024
_LONGEST_LOCK_S: Final = 10.0
"""How long another process may keep the cache before answers are kept in memory instead."""

SECRET_HEADERS: Final = (
    "Authorization",
    "Proxy-Authorization",
    "X-API-Key",
    "X-Goog-Api-Key",
    "X-Auth-Token",
    "X-Access-Token",
    "X-Amz-Security-Token",
    "Api-Key",
    "Cookie",
)
_SECRET_PARAMETERS: Final = (
    "key",
    "api_key",
    "apikey",
    "api-key",
    "access_token",
    "token",
    "sig",
    "signature",
)
_SECRET_ANSWERS: Final = ("Set-Cookie", "Set-Cookie2")
_KEPT_ANSWERS: Final = frozenset(
    {
        "age",
        "cache-control",
        "content-encoding",
        "content-type",
        "date",
        "etag",
        "expires",
        "last-modified",
        "location",
        "vary",
    }
)
"""Headers of an answer that anybody here reads. The others may name an account or hold a signed link."""


def _spellings(names: tuple[str, ...]) -> set[str]:
    """requests-cache redacts by exact spelling, so every usual one is listed (seen with 1.3.3)."""
    return {
        form for name in names for form in (name, name.lower(), name.upper(), name.title(), name.capitalize())
    }


REDACTED: Final = frozenset(
    _spellings(SECRET_HEADERS) | _spellings(_SECRET_PARAMETERS) | _spellings(_SECRET_ANSWERS)
)
"""Names whose values never reach the cache. A whole list, since it replaces the library's own."""


class AnswerTooLarge(requests.RequestException):
    """The answer is longer than is believed."""


class RefusedRedirect(requests.RequestException):
    """The answer leads to an address that is neither https nor the loopback address asked."""


class EchoedCredential(requests.RequestException):
    """The answer repeats the credential, so it must not be stored or shown."""


class PatientRetry(Retry):
    """Retries with jitter; a ``Retry-After`` is honoured, but never for longer than a minute."""

    def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
        """Seconds the vendor asks to wait, bounded; None where it states none, or nonsense."""
        try:
            asked = super().get_retry_after(response)
        except Exception:  # noqa: BLE001  an unreadable header is no reason to fail
            return None
        return None if asked is None else min(asked, LONGEST_RETRY_AFTER_S)


class BoundedAdapter(HTTPAdapter):
    """Reads the body within bounds and strips what must not be stored before anybody sees the answer."""

    def __init__(self, settings: HttpSettings) -> None:
        self._settings = settings
        retry = PatientRetry(
            total=settings.retries,
            allowed_methods={"GET", "POST"},  # every POST here is a question
            status_forcelist=RETRIED_STATUSES,
            backoff_factor=settings.backoff_s,
            backoff_jitter=settings.backoff_s,
            backoff_max=30,
            raise_on_status=False,
        )
        super().__init__(max_retries=retry)

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """As requests does, within bounds.

        Raises:
            AnswerTooLarge: more than ``max_bytes`` unpacked.
            EchoedCredential: the body holds a credential that was sent.
        """
        with turnstile(urlsplit(request.url or "").netloc, self._settings.pace).turn():
            response = super().send(request, True, timeout, verify, cert, dict(proxies or {}))
            try:
                body = self._read(response)
            except BaseException:
                response.close()
                raise
        _refuse_echo(request, body)
        response._content = body
        response._content_consumed = True  # type: ignore[attr-defined]
        for name in {name for name in response.headers if name.casefold() not in _KEPT_ANSWERS}:
            response.headers.pop(name, None)
            response.raw.headers.discard(name)
        response.cookies.clear()
        return response

    def _read(self, response: requests.Response) -> bytes:
        deadline = time.monotonic() + self._settings.total_s
        pieces: list[bytes] = []
        size = 0
        for piece in response.iter_content(_CHUNK_BYTES):
            size += len(piece)
            if size > self._settings.max_bytes:
                raise AnswerTooLarge(f"more than {self._settings.max_bytes} bytes")
            if time.monotonic() > deadline:
                raise requests.ReadTimeout(f"not complete after {self._settings.total_s:g} s")
            pieces.append(piece)
        return b"".join(pieces)


def _refuse_echo(request: requests.PreparedRequest, body: bytes) -> None:
    for name in SECRET_HEADERS:
        sent = request.headers.get(name)
        if not sent:
            continue
        text = sent if isinstance(sent, str) else sent.decode("latin-1")
        secret = text.rpartition(" ")[2].encode("latin-1")
        if len(secret) >= 6 and secret in body:
            raise EchoedCredential("the answer repeats the credential")


class PriceSession(CachedSession):
    """A cached session that reads no .netrc, keeps no cookies, and takes no credential to another host."""

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Drop every credential on a redirect to another origin."""
        old, new = response.request.url or "", prepared_request.url or ""
        if self.should_strip_auth(old, new):  # type: ignore[no-untyped-call]
            for name in SECRET_HEADERS:
                prepared_request.headers.pop(name, None)

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """As requests does; from https only to https.

        Raises:
            RefusedRedirect: it leads out of https.
        """
        target = super().get_redirect_target(resp)
        if target is not None:
            asked, goes = urlsplit(resp.url), urlsplit(target)
            same = not goes.netloc or (goes.scheme, goes.netloc) == (asked.scheme, asked.netloc)
            if not same and goes.scheme != "https":
                raise RefusedRedirect("redirected to an address that is not https")
        return target


class HonestTable(SQLiteDict):
    """A table of the cache that waits for a lock for a while, and passes on whatever else is wrong.

    The library's own waits for ever for any error, a full disk among them, and keeps a failed write to itself
    (1.3.3).
    """

    @contextmanager
    def _acquire_sqlite_lock(self) -> Iterator[None]:
        with self._lock:
            connection = self._connection
            assert connection is not None, "the library opens it first"
            self._begin(connection)
            self._active_transaction = True
            try:
                yield
                connection.commit()
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.rollback()
                raise
            finally:
                self._active_transaction = False

    def _begin(self, connection: sqlite3.Connection) -> None:
        """Take the write lock.

        Raises:
            sqlite3.OperationalError: another process held it all the time, or the disk is full.
        """
        until = time.monotonic() + _LONGEST_LOCK_S
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                is_taken = "locked" in str(error) or "busy" in str(error)
                if not is_taken or time.monotonic() >= until:
                    raise
                time.sleep(0.001)
            else:
                return


class FileCache(SQLiteCache):
    """The library's cache file, of honest tables. ``serializer`` goes here: the session would ignore it."""

    def __init__(self, path: Path) -> None:
        BaseCache.__init__(self, cache_name=str(path))  # past the library's own tables
        options: dict[str, Any] = {"wal": True, "busy_timeout": 5000}
        self.responses = HonestTable(path, table_name="responses", serializer="json", **options)
        lock = self.responses._lock
        self.redirects = HonestTable(path, table_name="redirects", lock=lock, serializer=None, **options)


def open_session(settings: HttpSettings) -> PriceSession:
    """A session on the cache file of the settings; without a usable file, one that keeps answers in memory.

    A corrupt cache file is deleted: it holds nothing that cannot be asked again.
    """
    try:
        backend = _file_cache(settings.cache_path, settings.stale_s)
    except sqlite3.OperationalError:
        return _session("memory", settings)
    except sqlite3.DatabaseError:
        for name in ("", "-wal", "-shm"):
            settings.cache_path.with_name(settings.cache_path.name + name).unlink(missing_ok=True)
        backend = _file_cache(settings.cache_path, settings.stale_s)
    except OSError:
        return _session("memory", settings)
    return _session(backend, settings)


def memory_session(settings: HttpSettings) -> PriceSession:
    """A session that leaves nothing on disk."""
    return _session("memory", settings)


def _file_cache(path: Path, stale_s: float) -> SQLiteCache:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600))
    path.chmod(0o600)  # -wal and -shm take the mode of the file
    cache = FileCache(path)
    with cache.responses.connection(commit=True) as connection:  # answers too old even to stand in
        connection.execute("DELETE FROM responses WHERE expires < ?", (time.time() - stale_s,))
    return cache


def _session(backend: Any, settings: HttpSettings) -> PriceSession:
    session = PriceSession(
        backend=backend,
        expire_after=settings.cache_s if settings.cache_s > 0 else 0,
        allowable_methods=("GET", "POST"),
        allowable_codes=(200,),
        ignored_parameters=tuple(sorted(REDACTED)),
        filter_fn=_worth_keeping,
        stale_if_error=False,  # it would hide a 401 too; providers._http finds the older answer itself
    )
    session.settings.disabled = settings.cache_s <= 0  # else answers kept by an earlier refresh would be used
    adapter = BoundedAdapter(settings)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.auth = _as_prepared
    session.max_redirects = 5
    session.headers["User-Agent"] = "llm-fleet-advisor"
    return session


def _as_prepared(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Authentication that changes nothing: with none at all, requests would look into ~/.netrc."""
    return request


def _worth_keeping(response: requests.Response) -> bool:
    """Whether an answer may be cached: whole JSON without errors of its own (GraphQL sends them with 200), or
    a file to download, which its reader judges. Never one at the end of a redirect, whose link may be signed.

    Other statuses are never cached anyway; a no for them would delete the good older answer (1.3.3).
    """
    if response.history:
        return False
    if response.status_code != 200 or response.request.headers.get("Accept") == FILES:
        return True
    try:
        payload = json.loads(response.content)
    except (ValueError, RecursionError):
        return False
    return not (isinstance(payload, dict) and payload.get("errors"))
