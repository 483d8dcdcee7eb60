"""How Google is reached: an API key or Google's default credentials, REST for prices and quotas, its SDK for
Compute. Nothing here knows what an answer means, and no message holds a key or a project.
"""

from __future__ import annotations

import threading
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

from advisor.errors import MissingCredentials
from providers._http import Endpoint
from providers._settings import base_url, credential, http_settings
from providers.gcp.compute import HINT, ComputeQuestion, translating
from providers.gcp.shapes import NAME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from advisor.provider import Answer
    from providers._session import PriceSession

_SKUS: Final = "/v1/services/6F81-5844-456A/skus"
"""Compute Engine's service id in the billing catalogue (cloud.google.com/skus)."""
_SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
_COMPUTE: Final = "https://compute.googleapis.com"
_LOOPBACK: Final = ("127.0.0.1", "::1")


_IMPORTING: Final = threading.Lock()


@dataclass(frozen=True, slots=True)
class _Identity:
    credentials: Any
    project: str


class GoogleAccess:
    """Answers the operations ``skus``, ``machineTypes``, ``acceleratorTypes``, ``regions``, ``project`` and
    ``quotaInfos``."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._settings = http_settings(environ)
        self._billing_url = base_url(
            environ, "ADVISOR_GCP_BILLING_URL", "https://cloudbilling.googleapis.com"
        )
        self._compute_url = base_url(environ, "ADVISOR_GCP_COMPUTE_URL", _COMPUTE)
        self._quotas_url = base_url(environ, "ADVISOR_GCP_QUOTAS_URL", "https://cloudquotas.googleapis.com")
        self._key = credential(environ, "GOOGLE_API_KEY")
        self._project = environ.get("GOOGLE_CLOUD_PROJECT", "").strip() or None
        self._has_credentials = credentials_at_hand(environ)
        self._identity: _Identity | None = None
        self._endpoints: dict[str, Endpoint] = {}
        self._lock = threading.RLock()
        if not self._key and not self._has_credentials:
            raise MissingCredentials(
                f"{NAME}: nothing is public; an API key in GOOGLE_API_KEY is enough for prices,"
                f" `gcloud auth application-default login` adds availability and quotas; {HINT}"
            )

    def __repr__(self) -> str:
        return "GoogleAccess()"

    def __call__(self, operation: str, **args: object) -> Answer:
        """The answer to one operation: one page of ``skus`` and ``quotaInfos``, all pages of the others.

        Raises:
            MissingCredentials: it needs Google credentials and a project.
            AccessDenied, Unavailable, PayloadError: as they say.
        """
        if operation == "skus":
            _import_http()
            return self._billing().get(operation, _SKUS, _page("5000", args))
        if operation == "quotaInfos":
            self._require(self._quotas_url)
            _import_google()
            path = f"/v1/projects/{self._quoted_project()}/locations/global/services/compute.googleapis.com"
            return self._quotas().get(operation, f"{path}/quotaInfos", _page("1000", args))
        return self._compute(operation)

    def _billing(self) -> Endpoint:
        with self._lock:
            if "billing" not in self._endpoints:
                if self._key:
                    headers, kind = {"X-Goog-Api-Key": self._key}, Endpoint
                else:  # the cache would keep the project a user's calls are counted for
                    headers = self._bearer(self._billing_url)
                    kind = _PrivateEndpoint if "x-goog-user-project" in headers else Endpoint
                self._endpoints["billing"] = kind(NAME, self._billing_url, self._settings, headers)
            return self._endpoints["billing"]

    def _quotas(self) -> Endpoint:
        with self._lock:
            if "quotas" not in self._endpoints:
                headers = self._bearer(self._quotas_url)
                self._endpoints["quotas"] = _PrivateEndpoint(NAME, self._quotas_url, self._settings, headers)
            return self._endpoints["quotas"]

    def _require(self, url: str) -> None:
        """Refuse before any library of Google's is imported; a server on this machine is asked without."""
        if not self._has_credentials and urlsplit(url).hostname not in _LOOPBACK:
            raise MissingCredentials(
                f"{NAME}: Google credentials are needed: `gcloud auth application-default login`; {HINT}"
            )

    def _bearer(self, url: str) -> dict[str, str]:
        """Headers of somebody signed in; none for an anonymous one."""
        self._require(url)
        _import_google()
        import google.auth.transport.requests

        headers: dict[str, str] = {}
        with translating("sign-in", self._settings.timeout_s):
            credentials = self._signed_in().credentials
            if not credentials.valid:
                credentials.refresh(google.auth.transport.requests.Request())
            credentials.apply(headers)
        return headers

    def _quoted_project(self) -> str:
        return quote(self._signed_in().project, safe="")

    def _signed_in(self) -> _Identity:
        """Google's default credentials, or nobody's."""
        with self._lock:
            if self._identity is not None:
                return self._identity
            credentials, project = _default_credentials() if self._has_credentials else (_anonymous(), None)
            project = self._project or project
            if not project:
                raise MissingCredentials(f"{NAME}: no project; name one in GOOGLE_CLOUD_PROJECT")
            self._identity = _Identity(_with_quota_project(credentials, project), project)
            return self._identity

    def _compute(self, operation: str) -> Answer:
        """One Compute question, all pages, by the SDK's REST transport."""
        self._require(self._compute_url)
        _import_google()
        with translating(operation, self._settings.timeout_s):
            identity = self._signed_in()
            return ComputeQuestion(
                identity.credentials, identity.project, self._compute_url, self._settings
            ).ask(operation)


class _PrivateEndpoint(Endpoint):
    """Keeps nothing on disk: its addresses and answers name the project."""

    def _opened(self) -> PriceSession:
        return self._session if self._session is not None else self._reopened_in_memory()


def _import_http() -> None:
    """One thread imports at a time: the libraries import each other, and two threads in them can deadlock."""
    with _IMPORTING:
        import providers._session  # noqa: F401


def _import_google() -> None:
    """As :func:`_import_http`, all of Google's that is used (1.3 s)."""
    with _IMPORTING:
        import google.auth.transport.requests
        import google.cloud.compute_v1
        import google.oauth2.credentials  # noqa: F401


def credentials_at_hand(environ: Mapping[str, str]) -> bool:
    """Whether Google's default credentials are there; imports nothing, asks nobody."""
    if environ.get("GOOGLE_APPLICATION_CREDENTIALS", "").strip():
        return True
    folder = environ.get("CLOUDSDK_CONFIG", "").strip() or f"{environ.get('HOME', '~')}/.config/gcloud"
    if (Path(folder) / "application_default_credentials.json").is_file():
        return True
    return bool(environ.get("GCE_METADATA_HOST", "").strip()) or _on_google_machine()


def _on_google_machine() -> bool:
    """What google-auth itself looks at before it asks the metadata server."""
    try:
        return Path("/sys/class/dmi/id/product_name").read_text(encoding="utf-8").startswith("Google")
    except (OSError, UnicodeDecodeError):
        return False


def _default_credentials() -> tuple[Any, str | None]:
    import google.auth

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a user has no quota project; it gets one below
        credentials, project = google.auth.default(scopes=[_SCOPE])
    return credentials, project


def _anonymous() -> Any:
    from google.auth.credentials import AnonymousCredentials

    return AnonymousCredentials()  # type: ignore[no-untyped-call]


def _with_quota_project(credentials: Any, project: str) -> Any:
    """A user's own credentials are refused by billing and quotas unless a project stands for the calls."""
    import google.oauth2.credentials

    if isinstance(credentials, google.oauth2.credentials.Credentials) and not credentials.quota_project_id:
        return credentials.with_quota_project(project)
    return credentials


def _page(size: str, args: Mapping[str, object]) -> dict[str, str]:
    token = args.get("page_token")
    return {"pageSize": size, **({"pageToken": str(token)} if token else {})}
