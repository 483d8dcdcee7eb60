"""`advisor schema`: the JSON Schema of each file the advisor reads or writes."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from advisor.cli.output import OutputOption, json_text, write_text

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


class Kind(StrEnum):
    """Files that have a schema."""

    PLAN = "plan"
    SERVICE = "service"
    ACCOUNT = "account"
    PROFILE = "profile"
    FLEET = "fleet"
    TERMS = "terms"


def schema(
    kind: Annotated[Kind, typer.Argument(help="Which file.", show_choices=True)],
    output: OutputOption = None,
) -> None:
    """Print the JSON Schema (draft 2020-12) of a plan, service, account, profile, fleet or terms file.

    Example: [b]advisor schema plan -o plan.schema.json[/]
    """
    write_text(json_text(json_schema(kind)), output)


def json_schema(kind: Kind) -> dict[str, Any]:
    """The schema, with its dialect, id and title first."""
    document = _document(kind)
    head = {
        "$schema": DIALECT,
        "$id": document.get("$id", f"urn:llm-fleet-advisor:schema:{kind.value}:1"),
        "title": document["title"],
        "description": document["description"],
    }
    return head | {key: value for key, value in document.items() if key not in head}


def _document(kind: Kind) -> dict[str, Any]:
    if kind is Kind.PLAN:
        from advisor.plan.schema import plan_json_schema

        return plan_json_schema()
    if kind is Kind.SERVICE:
        from advisor.workload.service import service_json_schema

        return service_json_schema()
    if kind is Kind.ACCOUNT:
        from advisor.catalog.account import account_json_schema

        return account_json_schema()
    if kind is Kind.FLEET:
        from advisor.fleet.fleet_file import fleet_json_schema

        return fleet_json_schema()
    if kind is Kind.TERMS:
        from advisor.catalog.terms import terms_json_schema

        return terms_json_schema()
    from advisor.profiles.profile_file import profile_json_schema

    return profile_json_schema()
