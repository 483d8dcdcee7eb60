"""The signed API through boto3: one method per question, paged to its end, errors in our own words."""

from __future__ import annotations

import importlib
import logging
import re
import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from advisor.errors import AccessDenied, MissingCredentials, PayloadError, ProviderError, Unavailable
from advisor.provider import Answer
from providers.aws.hardware import NAME
from providers.aws.permissions import ACTIONS
from providers.aws.prices import FILTERS
from providers.aws.quota import Pool, metric_id
from providers.aws.spot import PRODUCT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from providers._settings import HttpSettings
    from providers.aws.settings import Credentials

PRICING_REGIONS: Final = ("us-east-1", "eu-central-1", "ap-south-1")
"""Where the price list is served; each covers all regions."""
CONNECT_TIMEOUT_S: Final = 5.0
MOST_PAGES: Final = 500
_FILTER_CHARACTERS: Final = 1000  # of 1,024 that a filter's value may have (botocore's model)
_USAGE_WINDOW: Final = timedelta(hours=1)

_DENIED: Final = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthFailure",
        "Blocked",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "NotAuthorized",
        "OptInRequired",
        "PendingVerification",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "SubscriptionRequiredException",
        "UnauthorizedOperation",
        "UnrecognizedClientException",
    }
)
_CODE: Final = re.compile(r"[A-Za-z][A-Za-z.]{0,59}")
_LISTS: Final = {
    "describe_regions": ("ec2", "Regions"),
    "describe_instance_types": ("ec2", "InstanceTypes"),
    "describe_instance_type_offerings": ("ec2", "InstanceTypeOfferings"),
    "describe_spot_price_history": ("ec2", "SpotPriceHistory"),
    "get_spot_placement_scores": ("ec2", "SpotPlacementScores"),
    "describe_capacity_block_offerings": ("ec2", "CapacityBlockOfferings"),
    "get_products": ("pricing", "PriceList"),
    "list_service_quotas": ("service-quotas", "Quotas"),
    "list_aws_default_service_quotas": ("service-quotas", "Quotas"),
    "get_metric_data": ("cloudwatch", "MetricDataResults"),
}


class RegionDenied(AccessDenied):
    """Denied in a way that a region which is switched off also is."""


class RegionUnreachable(Unavailable):
    """No connection to the region's endpoint, as for a region that is switched off."""


class SignedApi:
    """boto3 clients by service and region, made when first needed, and safe to use from threads."""

    def __init__(self, keys: Credentials, endpoints: Mapping[str, str], settings: HttpSettings) -> None:
        self._keys = keys
        self._endpoints = dict(endpoints)
        self._settings = settings
        self._session: Any = None
        self._clients: dict[tuple[str, str], Any] = {}
        self._down: set[str] = set()  # endpoints of the price list that did not answer
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"SignedApi({self._keys!r})"

    def ask(self, operation: str, at_region: str, **args: Any) -> Answer:
        """All pages of the answer as one, under the name of its list.

        Raises:
            MissingCredentials: none were found, or they are incomplete.
            AccessDenied: the identity may not, or the region is switched off (:class:`RegionDenied`).
            Unavailable: no connection, a time-out, throttled or 5xx after all retries.
            PayloadError: an answer that cannot be parsed.
        """
        if _LISTS[operation][0] != "pricing":
            return self._asked(operation, at_region, at_region, args)
        failed: Unavailable | None = None
        for place in PRICING_REGIONS:
            if place not in self._down:
                try:
                    return self._asked(operation, at_region, place, args)
                except Unavailable as error:
                    failed = failed or error
                    self._down.add(place)
        raise failed or Unavailable(f"{NAME}: {operation} in {at_region}: no answer from any endpoint")

    def _asked(self, operation: str, at_region: str, place: str, args: dict[str, Any]) -> Answer:
        """The answer of one endpoint; errors as :meth:`ask`."""
        service, key = _LISTS[operation]
        where = f"{NAME}: {operation} in {at_region}"
        requests = _REQUESTS[operation](**args)
        items: list[object] = []
        retries = 0
        headers: Mapping[str, str] = {}
        try:
            client = self._client(service, place)
            for request in requests:
                for page in _pages(client, operation, request):
                    items += _listed(where, service, page.get(key))
                    said = page.get("ResponseMetadata") or {}
                    retries += int(said.get("RetryAttempts") or 0)
                    headers = said.get("HTTPHeaders") or {}
        except _vendor_errors() as error:
            # `from None`: a vendor's text names the account, the identity and its ARN
            raise translated(where, operation, error, self._settings.timeout_s) from None
        return Answer({key: _plain(items)}, vendor_time=_http_date(headers.get("date")), retries=retries)

    def _client(self, service: str, region: str) -> Any:
        with self._lock:
            if self._session is None:
                self._session = self._signed_in()
            if (service, region) not in self._clients:
                config = importlib.import_module("botocore.config").Config(
                    connect_timeout=min(CONNECT_TIMEOUT_S, self._settings.timeout_s),
                    read_timeout=self._settings.timeout_s,
                    retries={"mode": "standard", "total_max_attempts": self._settings.retries + 1},
                    max_pool_connections=4,
                    user_agent_extra="llm-fleet-advisor",
                    proxies={} if self._endpoints.get(service, "").startswith("http:") else None,
                )
                self._clients[service, region] = self._session.client(
                    service, region_name=region, endpoint_url=self._endpoints.get(service), config=config
                )
            return self._clients[service, region]

    def _signed_in(self) -> Any:
        """A session that has credentials.

        Raises:
            MissingCredentials: there are none.
        """
        boto3 = importlib.import_module("boto3")
        log = logging.getLogger("botocore")
        if log.getEffectiveLevel() < logging.INFO:
            log.setLevel(logging.INFO)  # its DEBUG lines hold signed requests with the session token
        keys = self._keys
        session = boto3.Session(
            aws_access_key_id=keys.access_key,
            aws_secret_access_key=keys.secret_key,
            aws_session_token=keys.session_token,
            profile_name=keys.profile,
        )
        if session.get_credentials() is None:
            raise MissingCredentials(
                f"{NAME}: no credentials found (environment, ~/.aws, instance role); set AWS_PROFILE, or"
                " AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            )
        return session


def _vendor_errors() -> tuple[type[Exception], ...]:
    """What botocore raises: two trees, its parsers' own, and plain ones for JSON of another shape."""
    exceptions = importlib.import_module("botocore.exceptions")
    parsers = importlib.import_module("botocore.parsers")
    trees = (exceptions.BotoCoreError, exceptions.ClientError, parsers.ResponseParserError)
    return (*trees, AttributeError, TypeError, ValueError, LookupError)


def _listed(where: str, service: str, found: object) -> list[object]:
    """The list of a page. JSON that breaks off is no error to botocore (1.44.5), but an answer without it."""
    if isinstance(found, list):
        return found
    if service == "ec2":
        return []  # XML leaves an empty list out, and XML that breaks off is an error
    raise PayloadError(f"{where}: the answer is not whole JSON or XML (no list)")


def _pages(client: Any, operation: str, request: dict[str, Any]) -> Any:
    if not client.can_paginate(operation):
        yield getattr(client, operation)(**request)
        return
    for number, page in enumerate(client.get_paginator(operation).paginate(**request)):
        if number >= MOST_PAGES:
            raise PayloadError(f"{NAME}: {operation}: no end after {MOST_PAGES} pages")
        yield page


def _products(region: str, instance_types: tuple[str, ...]) -> list[dict[str, Any]]:
    terms = [*FILTERS.items(), ("regionCode", region)]
    filters = [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in terms]
    base = {"ServiceCode": "AmazonEC2", "FormatVersion": "aws_v1", "MaxResults": 100}
    if not instance_types:
        return [{**base, "Filters": filters}]
    return [
        {**base, "Filters": [*filters, {"Type": "ANY_OF", "Field": "instanceType", "Value": ",".join(some)}]}
        for some in _chunks(instance_types)
    ]


def _chunks(names: tuple[str, ...]) -> list[list[str]]:
    chunks: list[list[str]] = [[]]
    for one in names:
        if sum(len(name) + 1 for name in chunks[-1]) + len(one) > _FILTER_CHARACTERS:
            chunks.append([])
        chunks[-1].append(one)
    return chunks


def _history(instance_types: tuple[str, ...], at: datetime) -> list[dict[str, Any]]:
    """From now on means the price in force now: the last change before the start is included."""
    request: dict[str, Any] = {"ProductDescriptions": [PRODUCT], "StartTime": at}
    return [{**request, "InstanceTypes": list(instance_types)} if instance_types else request]


def _metrics(pools: list[Pool], at: datetime) -> list[dict[str, Any]]:
    queries = [
        {
            "Id": metric_id(pool.code),
            "ReturnData": True,
            "MetricStat": {
                "Metric": {
                    "Namespace": pool.metric[0],
                    "MetricName": pool.metric[1],
                    "Dimensions": [{"Name": key, "Value": value} for key, value in pool.metric[2]],
                },
                "Period": 300,
                "Stat": "Maximum",
            },
        }
        for pool in pools
        if pool.metric is not None
    ]
    window = {"StartTime": at - _USAGE_WINDOW, "EndTime": at, "ScanBy": "TimestampDescending"}
    return [{"MetricDataQueries": queries[:500], **window}] if queries else []


def _scores(instance_types: tuple[str, ...], region: str) -> list[dict[str, Any]]:
    request = {"TargetCapacity": 1, "TargetCapacityUnitType": "units", "SingleAvailabilityZone": True}
    return [{**request, "InstanceTypes": list(instance_types), "RegionNames": [region]}]


def _blocks(instance_type: str, instances: int, hours: int) -> list[dict[str, Any]]:
    return [{"InstanceType": instance_type, "InstanceCount": instances, "CapacityDurationHours": hours}]


_REQUESTS: Final[dict[str, Callable[..., list[dict[str, Any]]]]] = {
    "describe_regions": lambda: [{"AllRegions": True}],
    "describe_instance_types": lambda: [{"IncludeUnsupportedInRegion": True, "MaxResults": 100}],
    "describe_instance_type_offerings": lambda: [{"LocationType": "availability-zone-id"}],
    "describe_spot_price_history": _history,
    "get_products": _products,
    "list_service_quotas": lambda: [{"ServiceCode": "ec2", "MaxResults": 100}],
    "list_aws_default_service_quotas": lambda: [{"ServiceCode": "ec2", "MaxResults": 100}],
    "get_metric_data": _metrics,
    "get_spot_placement_scores": _scores,
    "describe_capacity_block_offerings": _blocks,
}


def translated(where: str, operation: str, error: Exception, timeout_s: float) -> ProviderError:
    """Our error for one of botocore; the vendor's own text is left out, since it names accounts and ARNs."""
    botocore = importlib.import_module("botocore.exceptions")
    kind = type(error).__name__
    if isinstance(error, botocore.ClientError):
        return _refused(where, operation, error.response)
    if isinstance(
        error,
        botocore.NoCredentialsError
        | botocore.PartialCredentialsError
        | botocore.ProfileNotFound
        | botocore.CredentialRetrievalError
        | botocore.TokenRetrievalError
        | botocore.SSOError,
    ):
        return MissingCredentials(f"{where}: no usable credentials ({kind}); sign in again or set the keys")
    if isinstance(error, botocore.EndpointConnectionError):
        return RegionUnreachable(f"{where}: no connection to its endpoint")
    if isinstance(error, botocore.SSLError):
        return Unavailable(f"{where}: the server's certificate could not be verified")
    if isinstance(error, botocore.HTTPClientError):
        return Unavailable(f"{where}: no answer within {timeout_s:g} s ({kind}); try again later")
    if kind in ("ResponseParserError", "IncompleteReadError", "ResponseStreamingError", "PaginationError"):
        return PayloadError(f"{where}: the answer is not whole JSON or XML ({kind})")
    if isinstance(error, botocore.BotoCoreError):
        return Unavailable(f"{where}: the request failed ({kind})")
    return PayloadError(f"{where}: the answer is not whole JSON or XML of the documented shape ({kind})")


def _refused(where: str, operation: str, response: Mapping[str, Any]) -> ProviderError:
    status = (response.get("ResponseMetadata") or {}).get("HTTPStatusCode")
    stated = str((response.get("Error") or {}).get("Code") or "")
    code = stated if _CODE.fullmatch(stated) else "no code"
    if code in _DENIED or status in (401, 403):
        shown = status if status in (401, 403) else 403
        return RegionDenied(
            f"{where}: access denied (HTTP {shown}), {code}; needs {ACTIONS[operation]}:"
            " `advisor refresh --explain-permissions`"
        )
    if "Throttl" in code or code in ("RequestLimitExceeded", "TooManyRequestsException"):
        return Unavailable(f"{where}: throttled (HTTP {status}), {code}, after all retries; try again later")
    if isinstance(status, int) and (status >= 500 or status in (408, 425, 429)):
        return Unavailable(f"{where}: HTTP {status}, {code}, after all retries; try again later")
    return PayloadError(f"{where}: HTTP {status}, {code}")


def _plain(value: object) -> object:
    """Payload values as an adapter reads them: numbers with a point as Decimal, instants as text."""
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return value


def _http_date(stated: str | None) -> datetime | None:
    try:
        return parsedate_to_datetime(stated or "").astimezone(UTC)
    except ValueError:
        return None
