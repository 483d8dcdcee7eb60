"""What the environment asks of the AWS adapter."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from advisor.errors import InputFileError
from providers._settings import base_url, credential

if TYPE_CHECKING:
    from collections.abc import Mapping

BULK_BASE: Final = "https://pricing.us-east-1.amazonaws.com"
SPOT_ADVISOR_BASE: Final = "https://spot-bid-advisor.s3.amazonaws.com"
HOME_REGION: Final = "us-east-1"
"""Where regions and hardware are asked for: never switched off in an account."""

_SERVICES: Final = ("ec2", "pricing", "service-quotas", "cloudwatch")
_BLOCK: Final = re.compile(r"([a-z0-9.-]{3,40}):(\d{1,3}):(\d{1,4})")
_SWITCHED_ON: Final = ("1", "true", "yes", "on")


@dataclass(frozen=True, slots=True)
class BlockWish:
    """A capacity block somebody asks the price of."""

    instance_type: str
    instances: int
    hours: int


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the environment says about who asks; all None leaves it to the SDK's own chain."""

    access_key: str | None
    secret_key: str | None
    session_token: str | None
    profile: str | None

    def __repr__(self) -> str:
        return f"Credentials(set={self.access_key is not None})"


def credentials(environ: Mapping[str, str]) -> Credentials:
    """Keys of the environment.

    Raises:
        UsageError: a key holds characters no key holds.
    """
    access, secret = credential(environ, "AWS_ACCESS_KEY_ID"), credential(environ, "AWS_SECRET_ACCESS_KEY")
    if access is None or secret is None:
        return Credentials(None, None, None, environ.get("AWS_PROFILE", "").strip() or None)
    return Credentials(access, secret, credential(environ, "AWS_SESSION_TOKEN"), None)


def endpoints(environ: Mapping[str, str]) -> dict[str, str]:
    """boto3 service name to base URL, for those the environment redirects.

    Raises:
        UsageError: neither https nor the loopback address.
    """
    found = {}
    for service in _SERVICES:
        for variable in (f"AWS_ENDPOINT_URL_{service.upper().replace('-', '_')}", "AWS_ENDPOINT_URL"):
            if environ.get(variable, "").strip():
                found[service] = base_url(environ, variable, "")
                break
    return found


def home_region(environ: Mapping[str, str]) -> str:
    """The region that is asked for the list of regions and for hardware."""
    return (
        environ.get("AWS_REGION", "").strip() or environ.get("AWS_DEFAULT_REGION", "").strip() or HOME_REGION
    )


def wants_scores(environ: Mapping[str, str]) -> bool:
    """``ADVISOR_AWS_PLACEMENT_SCORES``: AWS counts these questions per day, so only when asked for."""
    return environ.get("ADVISOR_AWS_PLACEMENT_SCORES", "").strip().casefold() in _SWITCHED_ON


def wanted_blocks(environ: Mapping[str, str]) -> tuple[BlockWish, ...]:
    """``ADVISOR_AWS_CAPACITY_BLOCKS``: ``p5.48xlarge:1:24`` is one instance for 24 hours; commas between.

    Raises:
        InputFileError: a wish of another form.
    """
    wishes = []
    for part in filter(None, environ.get("ADVISOR_AWS_CAPACITY_BLOCKS", "").replace(" ", "").split(",")):
        form = _BLOCK.fullmatch(part)
        if form is None or int(form[2]) < 1 or int(form[3]) < 1:
            allowed = "write TYPE:INSTANCES:HOURS, such as p5.48xlarge:1:24"
            raise InputFileError("environment", "ADVISOR_AWS_CAPACITY_BLOCKS", part, allowed)
        wishes.append(BlockWish(form[1], int(form[2]), int(form[3])))
    return tuple(wishes)
