"""Compute Engine through Google's own SDK (REST): each question with all its pages, as plain JSON."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from advisor.errors import AccessDenied, MissingCredentials, PayloadError, ProviderError, Unavailable
from advisor.provider import Answer
from providers._http import decoded, unreached
from providers.gcp.shapes import NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from providers._settings import HttpSettings

HINT: Final = "`advisor refresh --explain-permissions` names what is needed"
_PAGE: Final = 500
_WITHOUT_GPUS: Final = 'name ne "(c|e|f|g1|h|m|n[2-9]|t|x|z).*"'
"""Leaves out series that never hold GPUs (and TPU machines), so that a new GPU series is seen."""


class ComputeQuestion:
    """One use of a Compute client, with bounded retries that are counted."""

    def __init__(self, credentials: Any, project: str, url: str, settings: HttpSettings) -> None:
        from google.api_core.client_options import ClientOptions
        from google.api_core.retry import Retry

        self._credentials = credentials
        self._project = project
        self._options = ClientOptions(api_endpoint=url)
        self._retries = 0
        self._left = settings.retries
        retry = Retry(
            predicate=self._again,
            initial=settings.backoff_s,
            maximum=30.0,
            timeout=settings.total_s,
        )
        self._calling = {"retry": retry, "timeout": settings.timeout_s}

    def _again(self, error: Exception) -> bool:
        import requests
        from google.api_core import exceptions

        passing = (
            exceptions.TooManyRequests,
            exceptions.ServerError,
            requests.ConnectionError,
            requests.Timeout,
        )
        if not isinstance(error, passing) or self._left < 1:
            return False
        self._left -= 1
        self._retries += 1
        return True

    def ask(self, operation: str) -> Answer:
        asks: dict[str, Callable[[], object]] = {
            "machineTypes": self._machine_types,
            "acceleratorTypes": self._accelerator_types,
            "regions": self._regions,
            "project": self._of_project,
        }
        return Answer(asks[operation](), retries=self._retries)

    def _client(self, kind: type[Any]) -> Any:
        return kind(credentials=self._credentials, client_options=self._options)

    def _machine_types(self) -> object:
        from google.cloud import compute_v1

        request = compute_v1.AggregatedListMachineTypesRequest(
            project=self._project,
            filter=_WITHOUT_GPUS,
            max_results=_PAGE,
        )
        with self._client(compute_v1.MachineTypesClient) as client:
            return _by_zone(client.aggregated_list(request, **self._calling), "machineTypes")

    def _accelerator_types(self) -> object:
        from google.cloud import compute_v1

        request = compute_v1.AggregatedListAcceleratorTypesRequest(project=self._project, max_results=_PAGE)
        with self._client(compute_v1.AcceleratorTypesClient) as client:
            return _by_zone(client.aggregated_list(request, **self._calling), "acceleratorTypes")

    def _regions(self) -> object:
        from google.cloud import compute_v1

        request = compute_v1.ListRegionsRequest(project=self._project, max_results=_PAGE)
        with self._client(compute_v1.RegionsClient) as client:
            return {"items": [_plain(region) for region in client.list(request, **self._calling)]}

    def _of_project(self) -> object:
        from google.cloud import compute_v1

        request = compute_v1.GetProjectRequest(project=self._project)
        with self._client(compute_v1.ProjectsClient) as client:
            return _plain(client.get(request, **self._calling))


def _plain(message: Any) -> dict[str, Any]:
    """A message of the SDK as the JSON it came from, numbers exact."""
    content = type(message).to_json(
        message, use_integers_for_enums=False, always_print_fields_with_no_presence=False
    )
    plain = decoded(NAME, content.encode())
    return plain if isinstance(plain, dict) else {}


def _by_zone(pager: Any, kind: str) -> dict[str, object]:
    """All pages of an aggregated list as one; a zone may go on over several."""
    zones: dict[str, dict[str, Any]] = {}
    for page in pager.pages:
        plain = _plain(page)
        for scope, scoped in plain.get("items", {}).items():
            known = zones.setdefault(scope, {kind: []})
            known[kind] += scoped.get(kind, [])
            if "warning" in scoped:
                known["warning"] = {"code": scoped["warning"].get("code")}
        for scope in plain.get("unreachables", []):
            zones.setdefault(scope, {kind: []})["warning"] = {"code": "UNREACHABLE"}
    return {"items": zones}


@contextmanager
def translating(operation: str, timeout_s: float) -> Iterator[None]:
    """Google's exceptions as ours. Their own texts are left out: they hold addresses with the project."""
    import google.auth.exceptions as signing
    import requests
    from google.api_core import exceptions
    from google.protobuf import json_format  # type: ignore[import-untyped,unused-ignore]

    where = f"{NAME}: {operation}"
    try:
        yield
    except ProviderError:
        raise
    except (exceptions.Forbidden, exceptions.Unauthorized) as error:
        raise AccessDenied(f"{where}: access denied (HTTP {error.code}); {HINT}") from None
    except (exceptions.TooManyRequests, exceptions.ServerError) as error:
        raise Unavailable(f"{where}: HTTP {error.code} after all retries; try again later") from None
    except exceptions.GoogleAPICallError as error:
        raise PayloadError(f"{where}: HTTP {error.code} where 200 was expected") from None
    except signing.InvalidOperation:  # nobody's credentials cannot be renewed
        raise AccessDenied(f"{where}: access denied (HTTP 401); {HINT}") from None
    except signing.DefaultCredentialsError:
        raise MissingCredentials(f"{where}: the Google credentials cannot be read; sign in again") from None
    except signing.RefreshError:
        raise AccessDenied(
            f"{where}: Google refused to renew the credentials; sign in again; {HINT}"
        ) from None
    except (requests.RequestException, signing.TransportError, exceptions.RetryError) as error:
        raise Unavailable(f"{where}: {_unreached(error, timeout_s)}; try again later") from None
    except json_format.Error:
        raise PayloadError(f"{where}: the answer is not whole JSON") from None


def _unreached(error: Exception, timeout_s: float) -> str:
    """Google's exceptions wrap those of requests; where they do not, all that is known is the time-out."""
    import requests

    within = (error, error.__cause__, *error.args)
    sought = (requests.ConnectionError, requests.Timeout)
    found = next((one for one in within if isinstance(one, sought)), None)
    return unreached(found, "Google", timeout_s) if found else f"no answer within {timeout_s:g} s"
