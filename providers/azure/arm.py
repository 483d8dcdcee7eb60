"""Asking Azure Resource Manager about one subscription, through azure-identity and azure-mgmt-compute.

Both are imported on the first question only.

The subscription id reaches no message, cache or snapshot: it is in URLs alone, and the SDK's log of URLs is
switched off. No token follows a link of an answer to another host.
"""

from __future__ import annotations

import logging
import re
import threading
import weakref
from itertools import islice
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from advisor.errors import (
    AccessDenied,
    MissingCredentials,
    PayloadError,
    ProviderError,
    Unavailable,
    UsageError,
)
from advisor.provider import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from azure.core.credentials import TokenCredential
    from azure.mgmt.compute import ComputeManagementClient

    from providers._settings import HttpSettings

NAME: Final = "azure"
SUBSCRIPTION: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
MOST_ITEMS: Final = 50_000
"""Far above the SKUs of any location (about 1,500); a list without end is cut there."""

_CODE: Final = re.compile(r"[A-Za-z]{3,60}")


def subscription_id(environ: Mapping[str, str]) -> str | None:
    """The subscription in ``AZURE_SUBSCRIPTION_ID``, None where there is none.

    Raises:
        UsageError: it is not a subscription's id (the value is never shown).
    """
    value = environ.get("AZURE_SUBSCRIPTION_ID", "").strip()
    if not value:
        return None
    if not SUBSCRIPTION.fullmatch(value):
        raise UsageError("AZURE_SUBSCRIPTION_ID is not a subscription id: 8-4-4-4-12 hexadecimal digits")
    return value


def default_credential() -> TokenCredential:
    """Azure's own chain: environment, workload and managed identity, az, azd, PowerShell."""
    from azure.identity import DefaultAzureCredential

    # by itself it would try ten times more, with longer and longer pauses
    return DefaultAzureCredential(process_timeout=10, retry_total=1)


class Subscription:
    """Asks Azure Resource Manager through the genuine SDK; answers are plain data."""

    def __init__(
        self,
        subscription: str | None,
        base: str,
        settings: HttpSettings,
        credential: Callable[[], TokenCredential] = default_credential,
    ) -> None:
        self._subscription = subscription
        self._base = base
        self._settings = settings
        self._credential = credential
        self._client: ComputeManagementClient | None = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Subscription({self._base!r})"

    def resource_skus(self, region: str) -> Answer:
        """All SKUs of a region, with the subscription's restrictions.

        Raises:
            ProviderError: they could not be had.
        """
        return self._listed(
            f"SKUs of {region}",
            lambda client, options: client.resource_skus.list(filter=f"location eq '{region}'", **options),
        )

    def usages(self, region: str) -> Answer:
        """All quotas of a region and what is used of them.

        Raises:
            ProviderError: they could not be had.
        """
        return self._listed(
            f"usages of {region}", lambda client, options: client.usage.list(region, **options)
        )

    def _listed(self, what: str, ask: Callable[[Any, dict[str, Any]], Iterable[Any]]) -> Answer:
        from azure.core.exceptions import AzureError

        where = f"{NAME}: {what}"
        client = self._opened()
        options = {} if self._base.startswith("https") else {"enforce_https": False}  # loopback only
        try:
            items = list(islice(ask(client, options), MOST_ITEMS + 1))
        except AzureError as error:
            raise translated(where, error) from None
        except (ValueError, TypeError, KeyError, AttributeError) as error:  # the SDK's reading of nonsense
            detail = f"the answer is not whole JSON ({type(error).__name__})"
            raise PayloadError(f"{where}: {detail}") from None
        if len(items) > MOST_ITEMS:
            raise PayloadError(f"{where}: more than {MOST_ITEMS} items")
        return Answer([item.as_dict() for item in items])

    def _opened(self) -> ComputeManagementClient:
        if self._subscription is None:
            raise MissingCredentials(
                f"{NAME}: AZURE_SUBSCRIPTION_ID is not set; set it, and sign in (for example `az login`)"
            )
        with self._lock:
            if self._client is None:
                self._client = self._connected(self._subscription)
                weakref.finalize(self, self._client.close)
            return self._client

    def _connected(self, subscription: str) -> ComputeManagementClient:
        try:
            from azure.mgmt.compute import ComputeManagementClient
        except ImportError:
            raise MissingCredentials(
                f"{NAME}: azure-mgmt-compute and azure-identity are not installed: pip install them"
            ) from None
        _quiet_the_sdk()
        return ComputeManagementClient(
            self._credential(),
            subscription,
            base_url=self._base,
            http_logging_policy=_own_host_only(self._base),  # in the place of a log that shows URLs
            permit_redirects=False,
            retry_total=self._settings.retries,
            retry_backoff_factor=self._settings.backoff_s,
            connection_timeout=self._settings.timeout_s,
            read_timeout=self._settings.timeout_s,
        )


def _quiet_the_sdk() -> None:
    """No log of the SDK's own, unless somebody asked for it: it names tenants, and we say all it says."""
    logger = logging.getLogger("azure")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.CRITICAL)


def _own_host_only(base: str) -> Any:
    """A policy that stops a request, and with it the token, from leaving for another host."""
    from azure.core.exceptions import ServiceRequestError
    from azure.core.pipeline.policies import SansIOHTTPPolicy

    own = _origin(base)

    class OwnHostOnly(SansIOHTTPPolicy[Any, Any]):
        def on_request(self, request: Any) -> None:
            if _origin(request.http_request.url) != own:
                raise ServiceRequestError("a link of the answer leads to another host")

    return OwnHostOnly()


def _origin(url: str) -> tuple[str, str | None, int]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)


def translated(where: str, error: Exception) -> ProviderError:
    """Our error for one of the SDK's; its text is left out, since it names subscription and principal."""
    from azure.core.exceptions import ClientAuthenticationError, DecodeError, HttpResponseError
    from azure.identity import CredentialUnavailableError

    unanswered = isinstance(error, ClientAuthenticationError) and error.response is None
    if isinstance(error, CredentialUnavailableError) or unanswered:
        return MissingCredentials(
            f"{where}: no credential of Azure was found; sign in, for example with `az login`"
        )
    if isinstance(error, DecodeError):
        return PayloadError(f"{where}: the answer is not whole JSON")
    status = error.status_code if isinstance(error, HttpResponseError) else None
    code = getattr(getattr(error, "error", None), "code", None)
    said = f" ({code})" if isinstance(code, str) and _CODE.fullmatch(code) else ""
    if isinstance(error, ClientAuthenticationError) or status in (401, 403) or "Subscription" in said:
        return AccessDenied(
            f"{where}: access denied{said}; check the sign-in and its roles:"
            " `advisor refresh --explain-permissions`"
        )
    if status is None or status in (408, 425, 429) or status >= 500:
        shown_status = f"HTTP {status}" if status else f"no answer ({type(error).__name__})"
        return Unavailable(f"{where}: {shown_status} after all retries; try again later")
    return PayloadError(f"{where}: HTTP {status}{said} where 200 was expected")
