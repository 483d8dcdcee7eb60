"""Settings: strict, overridden by the environment, and what stale prices lead to."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cli_harness import call

from advisor.errors import InputFileError
from advisor.settings import Settings, load_settings

pytestmark = pytest.mark.fast


def settings_of(tmp_path, text: str, **environ: str) -> Settings:
    (tmp_path / "config.yaml").write_text(text)
    return load_settings(tmp_path, environ)


def test_without_a_file_the_defaults_are_in_force(tmp_path):
    found = load_settings(tmp_path, {})
    assert found == Settings(max_age_on_demand_days=35, max_age_spot_days=8, on_stale="warn")
    assert settings_of(tmp_path, "") == found


def test_the_environment_wins_over_the_file_and_the_file_over_the_defaults(tmp_path):
    text = "max_age_spot_days: 2\nmax_age_on_demand_days: 14\n"
    found = settings_of(tmp_path, text, ADVISOR_MAX_AGE_SPOT_DAYS="0.5", ADVISOR_ON_STALE="refuse")
    assert (found.spot_limit, found.on_demand_limit) == (timedelta(hours=12), timedelta(days=14))
    assert found.on_stale == "refuse"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("max_age_spot_days: 0", "config.yaml: max_age_spot_days: 0 is not allowed; a number of days"),
        ("max_age_spot_days: yes", "max_age_spot_days: 'yes' is not allowed"),
        ("max_age_on_demand_days: .inf", "max_age_on_demand_days: inf is not allowed"),
        ("on_stale: ignore", "on_stale: 'ignore' is not allowed; warn or refuse"),
        ("max_age_days: 3", "max_age_days: 3 is not allowed; no such field; known here: max_age_"),
        ("- a", r"\['a'\]; a mapping with the keys max_age_on_demand_days"),
        ("max_age_spot_days: true", "max_age_spot_days: True is not allowed; a number of days"),
        ("max_age_spot_days: 1:30", "'1:30' is not allowed; a number of days"),
        ("on_stale: warn\non_stale: refuse", "line 2: .*'on_stale' is there twice"),
        ("a: &a 1\nb: *a", "aliases"),
        ("a: [", "config.yaml: line 2: "),
        ("\ttab: 1", "config.yaml: line 1: "),
    ],
)  # fmt: skip
def test_a_slip_in_the_file_is_told_by_file_field_and_value(tmp_path, text, said):
    with pytest.raises(InputFileError, match=said):
        settings_of(tmp_path, text + "\n")


def test_a_slip_in_the_environment_is_told_by_the_variables_name(tmp_path):
    with pytest.raises(InputFileError, match=r"environment: ADVISOR_ON_STALE: 'maybe' is not allowed"):
        load_settings(tmp_path, {"ADVISOR_ON_STALE": "maybe"})


@pytest.mark.parametrize(
    ("given", "code", "said"),
    [
        ({}, 0, "! Prices bought on are stale (aws on_demand"),
        ({"ADVISOR_ON_STALE": "refuse"}, 4, "or set on_stale: warn (ADVISOR_ON_STALE=warn)"),
        ({"ADVISOR_ON_STALE": "refuse", "ADVISOR_MAX_AGE_SPOT_DAYS": "3000"}, 0, "Proved optimal"),
    ],
    ids=["warn", "refuse", "patient"],
)
def test_stale_prices_warn_or_refuse_as_configured(tmp_path, given, code, said):
    ended = call("recommend", "--region", "us-east-1", ADVISOR_HOME=str(tmp_path), **given)
    assert ended.code == code
    assert said in ended.out + ended.err
    assert ("bought on are stale" in ended.out) == (given == {})


def test_the_file_in_the_home_refuses_as_the_environment_does(tmp_path):
    (tmp_path / "config.yaml").write_text("on_stale: refuse\nmax_age_spot_days: 9\n")
    ended = call("recommend", "--region", "us-east-1", ADVISOR_HOME=str(tmp_path))
    assert (ended.code, ended.out) == (4, "")
    assert "aws on_demand" in ended.err
