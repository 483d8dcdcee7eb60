"""The ready files under docs/cron do what they say, with an `advisor` that ends as told."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.fast

CRON = Path(__file__).parents[2] / "docs" / "cron"


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder of stand-ins: each appends what it was asked to ``log``; `advisor refresh` ends with $CODE."""
    folder = tmp_path / "bin"
    folder.mkdir()
    log = tmp_path / "log"
    for name, does in {
        "advisor": 'for last; do :; done; [ "$last" = refresh ] || echo "| a |" > "$last"\n'
        '[ "$1" != refresh ] || { echo summary; exit "${CODE:-0}"; }',
        "git": "",
        "gh": "",
    }.items():
        script = f'#!/bin/sh\necho "{name} $* KEY=$RUNPOD_API_KEY COLUMNS=$COLUMNS" >> {log}\n{does}\n'
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)
    return folder


def asked(tools: Path) -> list[str]:
    log = tools.parent / "log"
    return log.read_text().splitlines() if log.exists() else []


def bash(line: str, tools: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """As GitHub's shell does: stop at the first command that fails."""
    environ = {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", **environ}
    command = ["bash", "-e", "-o", "pipefail", "-c", line]
    return subprocess.run(command, env=environ, capture_output=True, text=True, cwd=tools.parent)


@pytest.mark.parametrize("code", [0, 5, 6])
def test_the_crontab_line_runs_a_refresh_with_the_credentials_and_keeps_its_exit_code(tools, tmp_path, code):
    text = (CRON / "crontab").read_text()
    variables = dict(re.findall(r"^([A-Z]+)=(.*)$", text, re.MULTILINE))
    (line,) = (line for line in text.splitlines() if re.match(r"\d", line))
    minute, hour, day, month, weekday, command = line.split(maxsplit=5)
    assert (minute, hour, day, month, weekday) == ("17", "6", "*", "*", "1")
    assert "%" not in command  # cron would read it as a line end
    credentials = tmp_path / "credentials.env"
    credentials.write_text("RUNPOD_API_KEY=made-up\n")
    variables |= {"ADVISOR": str(tools / "advisor"), "CREDENTIALS": str(credentials), "CODE": str(code)}
    done = bash(command, tools, **variables)
    assert (done.returncode, done.stdout, done.stderr) == (code, "summary\n", "")
    assert asked(tools) == ["advisor refresh KEY=made-up COLUMNS=100"]
    credentials.unlink()
    assert bash(command, tools, **variables).returncode == code


def unit(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string((CRON / name).read_text())
    return parser


def test_the_systemd_units_run_a_refresh_every_week_and_take_partial_for_success():
    service, timer = unit("advisor-refresh.service")["Service"], unit("advisor-refresh.timer")
    assert service["ExecStart"].split()[1:] == ["refresh"]
    assert (service["Type"], service["SuccessExitStatus"]) == ("oneshot", "5")
    environment = dict(word.split("=") for word in service["Environment"].split())
    assert environment["ADVISOR_HOME"] == f"/var/lib/{service['StateDirectory']}"
    assert environment["ADVISOR_HTTP_CACHE"].startswith(f"/var/cache/{service['CacheDirectory']}/")
    assert timer["Timer"]["OnCalendar"] == "Mon *-*-* 06:17:00"
    assert timer["Install"]["WantedBy"] == "timers.target"


@pytest.mark.parametrize(("code", "passes"), [(0, True), (5, True), (6, False)])
def test_the_workflow_opens_a_pull_request_unless_nothing_was_published(tools, tmp_path, code, passes):
    workflow = yaml.safe_load((CRON / "github-actions.yml").read_text())
    job = workflow["jobs"]["refresh"]
    assert workflow[True]["schedule"] == [{"cron": "17 6 * * 1"}]  # YAML 1.1 reads `on` as true
    assert workflow["concurrency"]["cancel-in-progress"] is False
    steps = {step["name"]: step["run"] for step in job["steps"] if "run" in step}
    environ = {"CODE": str(code), "RUNNER_TEMP": str(tmp_path), "GITHUB_STEP_SUMMARY": str(tmp_path / "step"),
               "GITHUB_RUN_ID": "42"}  # fmt: skip
    assert (bash(steps["Refresh"], tools, **environ).returncode == 0) is passes
    if not passes:
        assert [line.split()[:2] for line in asked(tools)] == [["advisor", "refresh"]]
        return
    assert (tmp_path / "body.md").read_text() == "| a |\n\n| a |\n"
    assert bash(steps["Open a pull request"], tools, **environ).returncode == 0
    words = [" ".join(line.split()[:3]) for line in asked(tools)]
    assert words[-1] == "gh pr create"
    assert "git add prices/snapshots" in words


@pytest.mark.parametrize(("code", "ends"), [(0, 0), (5, 0), (6, 1)])
def test_the_cron_job_takes_partial_for_success_and_never_runs_twice_at_once(tools, code, ends):
    claim, job = yaml.safe_load_all((CRON / "kubernetes-cronjob.yaml").read_text())
    assert (job["kind"], job["spec"]["concurrencyPolicy"]) == ("CronJob", "Forbid")
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    (home,) = (variable["value"] for variable in container["env"] if variable["name"] == "ADVISOR_HOME")
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert mounts["home"] == home
    assert volumes["home"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    shell, flag, script = container["command"]
    environ = {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "CODE": str(code)}
    assert subprocess.run([shell, flag, script], env=environ, capture_output=True).returncode == ends


def test_the_readme_names_every_file():
    text = (CRON / "README.md").read_text()
    for path in CRON.iterdir():
        assert path.name == "README.md" or f"]({path.name})" in text
