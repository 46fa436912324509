"""Files for schedulers: each is parsed by the real program or format, also where paths have odd characters."""

from __future__ import annotations

import ast
import configparser
import json
import plistlib
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from referral_warehouse.cli.commands.schedule import SCHEDULERS
from referral_warehouse.errors import ConfigurationError
from referral_warehouse.operate.durations import DAY_S
from referral_warehouse.operate.schedules import (
    KINDS,
    Deployment,
    calendar_expression,
    cron_expression,
    schedule_files,
)
from referral_warehouse.settings import Settings
from tests.account_server import AccountServer
from tests.cli.processes import PREFIX
from tests.documentation import PROJECT
from tests.operate.conftest import Run

ODD = "a \"b' $c %d `e` \\f é & <g> #h"
INTERVALS = [n * 60 for n in (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30)] + [n * 3600 for n in (1, 2, 3, 4, 6, 8, 12, 24)]
START = (
    f"import sys; sys.path.insert(0, {str(PROJECT / 'pipelines')!r}); "
    "from referral_warehouse.__main__ import main; main()"
)


@pytest.fixture
def odd(tmp_path: Path) -> Deployment:
    folder = tmp_path / ODD
    folder.mkdir()
    return Deployment([sys.executable, "-c", START], folder, tmp_path / "data", "daemon")


@pytest.mark.parametrize("name", ["ends with a backslash\\\\", "ends with a blank "])
def test_a_folder_that_no_unit_can_name_is_refused(odd: Deployment, name: str) -> None:
    """systemd joins a line that ends with a backslash with the next, and takes blanks off the end of a value."""
    wrong = replace(odd, folder=odd.folder / name)
    with pytest.raises(ConfigurationError, match="ends with a blank or a backslash"):
        schedule_files("systemd", wrong, 3600)
    with pytest.raises(ConfigurationError, match="ends with a blank or a backslash"):
        schedule_files("systemd", replace(odd, token_file=odd.folder / name), 3600)
    assert name in made("cron", wrong)


def made(kind: str, deployment: Deployment, every_s: int = 3600) -> str:
    [text] = schedule_files(kind, deployment, every_s).values()
    return text


def occurrences(expression: str) -> list[datetime]:
    """When a cron expression is true on a day."""
    minutes, hours, *rest = expression.split()
    assert rest == ["*", "*", "*"]

    def numbers(field: str, count: int) -> set[int]:
        span, _, step = field.partition("/")
        first, last = (0, count - 1) if span == "*" else (int(span.split("-")[0]), int(span.split("-")[-1]))
        return set(range(first, last + 1, int(step or 1)))

    day = datetime(2026, 1, 5, tzinfo=UTC)
    all_minutes = (day + timedelta(minutes=n) for n in range(1440))
    return [at for at in all_minutes if at.minute in numbers(minutes, 60) and at.hour in numbers(hours, 24)]


@pytest.mark.parametrize("every_s", INTERVALS)
@pytest.mark.parametrize("minute", [0, 11, 59])
def test_a_cron_expression_keeps_the_interval(every_s: int, minute: int) -> None:
    found = occurrences(cron_expression(every_s, minute))
    assert len(found) == DAY_S // every_s
    assert {(later - earlier).seconds for earlier, later in pairwise(found)} <= {every_s}


@pytest.mark.parametrize("every_s", [1, 59, 61, 7 * 60, 45 * 60, 90 * 60, 5 * 3600, 2 * DAY_S])
def test_an_interval_that_no_scheduler_keeps_is_refused(every_s: int) -> None:
    with pytest.raises(ConfigurationError, match="Choose an interval that divides an hour or a day"):
        cron_expression(every_s, 11)


def test_a_cron_line_runs_a_sync_without_any_environment(
    odd: Deployment, account: AccountServer, tmp_path: Path
) -> None:
    """As cron runs it: with /bin/sh, nearly nothing in the environment, and percent signs unescaped."""
    (odd.folder / ".dlt").mkdir()
    secrets = odd.folder / ".dlt" / "secrets.toml"
    secrets.write_text(
        f'[sources.referral_factory]\napi_token = "tok-1"\nbase_url = "{account.base_url}"\ncalls_per_minute = 0\n'
    )
    secrets.chmod(0o600)
    account.errors["campaigns"] = (401, b"{}")  # a whole sync is run by other tests
    lines = [line for line in made("cron", odd).splitlines() if not line.startswith("#")]
    assert lines[0] == "SHELL=/bin/sh"
    [line] = lines[1:]
    *when, command = line.split(" ", 5)
    assert len(occurrences(" ".join(when))) == 24
    done = subprocess.run(
        ["env", "-i", "/bin/sh", "-c", command.replace("\\%", "%")],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    log = (odd.folder / "referrals-sync.log").read_text().splitlines()
    assert (done.returncode, done.stdout, done.stderr) == (3, "", "")
    assert json.loads(log[-1])["exit_code"] == 3
    assert (tmp_path / "data" / "state" / "outcomes.jsonl").exists()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze, which .ci/run installs")
def test_units_pass_the_check_of_systemd(odd: Deployment, tmp_path: Path) -> None:
    tool = str(shutil.which("systemd-analyze"))
    for every_s in INTERVALS:
        done = subprocess.run(
            [tool, "calendar", calendar_expression(every_s, 11)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    units = tmp_path / "units"
    units.mkdir()
    for name, text in schedule_files("systemd", replace(odd, token_file=odd.folder / "token"), 900).items():
        (units / name).write_text(text)
    verify = [tool, "verify", *sorted(map(str, units.iterdir()))]
    done = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    service = units / "referrals-sync.service"
    service.write_text(service.read_text().replace("Restart=on-failure", "Restart=sometimes"))
    assert "sometimes" in subprocess.run(verify, capture_output=True, text=True, check=False).stderr


def test_units_have_what_a_run_needs(odd: Deployment) -> None:
    units = {}
    for name, text in schedule_files("systemd", odd, 900).items():
        units[name] = configparser.ConfigParser(interpolation=None, strict=True)
        units[name].optionxform = str  # type: ignore[assignment, method-assign]
        units[name].read_string(text)
    service, timer = units["referrals-sync.service"], units["referrals-sync.timer"]["Timer"]
    assert service["Service"]["WorkingDirectory"].replace("%%", "%") == str(odd.folder)
    assert service["Service"]["Environment"] == f'"WAREHOUSE__DIR={odd.warehouse_dir}"'
    assert service["Service"]["SuccessExitStatus"] == "75"
    assert service["Service"]["RestartPreventExitStatus"] == "2 3 5 6"
    assert timer["RandomizedDelaySec"] == "90"
    assert timer["Persistent"] == "yes"


@pytest.mark.parametrize("path", ["/etc/api-token", f"/etc/{ODD}"])
def test_a_service_gets_the_token_as_a_credential(odd: Deployment, path: str) -> None:
    [service, _] = schedule_files("systemd", replace(odd, token_file=Path(path)), 900).values()
    assert f"\nLoadCredential=api-token:{path.replace('%', '%%')}\n" in service
    assert f"\nEnvironment={PREFIX}API_TOKEN_FILE=%d/api-token\n" in service
    [without, _] = schedule_files("systemd", odd, 900).values()
    assert "api-token" not in without


@pytest.mark.parametrize(
    "arguments", [("--cron", "--token-file", "/etc/token"), ("--systemd", "--token-file", "token")]
)
def test_a_credential_is_for_systemd_alone_and_has_an_absolute_path(referrals: Run, arguments: tuple[str, ...]) -> None:
    done = referrals("schedule", *arguments)
    assert (done.code, done.out) == (2, "")
    assert "--token-file goes with --systemd, and needs an absolute path" in done.err
    assert "LoadCredential=api-token:/etc/token" in referrals("schedule", "--systemd", "--token-file", "/etc/token").out


def test_an_agent_of_launchd_is_a_property_list(odd: Deployment) -> None:
    found = plistlib.loads(made("launchd", odd).encode())
    assert found["ProgramArguments"] == [*odd.program, "sync", "--json", "--log-format", "json"]
    assert found["WorkingDirectory"] == str(odd.folder)
    assert found["EnvironmentVariables"] == {"WAREHOUSE__DIR": str(odd.warehouse_dir)}
    assert (found["StartInterval"], found["ExitTimeOut"], found["Umask"]) == (3600, 30, 0o77)


def test_a_workflow_runs_one_sync_and_tries_again_what_may_pass(odd: Deployment) -> None:
    found = yaml.load(made("github-actions", odd), yaml.BaseLoader)  # noqa: S506 - so that `on` is no boolean
    assert set(found) == {"name", "on", "concurrency", "permissions", "jobs"}
    assert len(occurrences(found["on"]["schedule"][0]["cron"])) == 24
    assert found["concurrency"] == {"group": "referrals-sync", "cancel-in-progress": "false"}
    [job] = found["jobs"].values()
    assert job["runs-on"] == "self-hosted"
    assert job["defaults"]["run"]["working-directory"] == str(odd.folder)
    assert job["env"]["SOURCES__REFERRAL_FACTORY__API_TOKEN"] == "${{ secrets.REFERRAL_FACTORY_API_TOKEN }}"
    with pytest.raises(ConfigurationError, match="shorter than what this scheduler can keep"):
        made("github-actions", odd, 60)


@pytest.mark.parametrize(
    ("codes", "expected", "runs"), [([0], 0, 1), ([75], 0, 1), ([4, 1, 0], 0, 3), ([5], 5, 1), ([4, 4, 4], 4, 3)]
)
def test_the_script_of_the_workflow_ends_as_the_sync_does(
    tmp_path: Path, codes: list[int], expected: int, runs: int
) -> None:
    """The step in bash, with a program that ends as it is told to and a sleep that does not wait."""
    program = tmp_path / "the program"
    program.write_text(f'#!/bin/sh\necho x >> "{tmp_path}/ran"\nset -- {" ".join(map(str, codes))}\n'
                       f'shift $(($(wc -l < "{tmp_path}/ran") - 1))\nexit $1\n')  # fmt: skip
    program.chmod(0o700)
    deployment = Deployment([str(program)], tmp_path, tmp_path / "data", "me")
    steps = yaml.safe_load(made("github-actions", deployment))["jobs"]["sync"]["steps"]
    script = "sleep() { :; }\n" + steps[1]["run"]
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script], cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == expected
    assert len((tmp_path / "ran").read_text().splitlines()) == runs


def test_a_cron_job_of_kubernetes_runs_one_writer_as_nobody(odd: Deployment) -> None:
    volume, job = yaml.safe_load_all(made("kubernetes", odd))
    assert (volume["kind"], job["kind"], job["apiVersion"]) == ("PersistentVolumeClaim", "CronJob", "batch/v1")
    assert job["spec"]["concurrencyPolicy"] == "Forbid"
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    [container] = pod["containers"]
    rule = job["spec"]["jobTemplate"]["spec"]["podFailurePolicy"]["rules"][0]["onExitCodes"]
    assert (rule["containerName"], rule["values"]) == (container["name"], [2, 3, 5, 6, 75])
    assert pod["restartPolicy"] == "Never", "a policy for failures requires it"
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    claims = {v["name"]: v.get("persistentVolumeClaim", {}).get("claimName") for v in pod["volumes"]}
    assert claims["data"] == volume["metadata"]["name"]
    assert {mount["name"] for mount in container["volumeMounts"]} == set(claims)


@pytest.mark.parametrize("kind", ["airflow", "dagster", "prefect"])
def test_a_file_of_python_compiles_and_has_the_paths_as_they_are(kind: str, odd: Deployment) -> None:
    text = made(kind, odd)
    compile(text, "referrals_sync.py", "exec")
    stated: dict[str, Any] = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                stated[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                continue
    assert stated["PROGRAM"] == odd.program
    assert (stated["FOLDER"], stated["WAREHOUSE_DIR"]) == (str(odd.folder), str(odd.warehouse_dir))


@pytest.mark.parametrize("kind", KINDS)
def test_the_command_prints_complete_files_without_a_secret(referrals: Run, settings: Settings, kind: str) -> None:
    done = referrals("schedule", f"--{kind}", "--every", "15m")
    assert done.code == 0, done.err
    assert "@@" not in done.out
    assert "tok-5e1f0a77c3" not in done.out
    assert kind == "kubernetes" or str(settings.warehouse_dir) in done.out
    assert not settings.warehouse_dir.exists()


def test_files_are_written_and_never_over_others(referrals: Run, tmp_path: Path) -> None:
    done = referrals("schedule", "--systemd", "--write", str(tmp_path / "units"))
    assert done.code == 0
    assert {path.name for path in (tmp_path / "units").iterdir()} == set(schedule_names("systemd"))
    again = referrals("schedule", "--systemd", "--write", str(tmp_path / "units"))
    assert (again.code, "exists already" in again.err) == (2, True)
    (tmp_path / "file").write_text("")
    assert referrals("schedule", "--cron", "--write", str(tmp_path / "file")).code == 2


def schedule_names(kind: str) -> list[str]:
    return [name for name, _ in KINDS[kind]]


def test_what_cannot_be_scheduled_is_refused(referrals: Run, tmp_path: Path) -> None:
    assert "Choose one: --cron, --systemd" in referrals("schedule").err
    assert referrals("schedule", "--cron", "--every", "7m").code == 2
    with pytest.raises(ConfigurationError, match="line breaks"):
        Deployment(["x"], tmp_path / "a\nb", tmp_path, "me")
    assert set(SCHEDULERS) == set(KINDS)


def test_the_shell_reads_the_paths_as_they_are(odd: Deployment) -> None:
    line = made("cron", odd).splitlines()[-1].replace("\\%", "%")
    words = shlex.split(line.split(" ", 5)[5])
    assert words[:2] == ["cd", str(odd.folder)]
    assert words[3] == f"WAREHOUSE__DIR={odd.warehouse_dir}"
    assert words[4:7] == odd.program
    assert PREFIX not in line
