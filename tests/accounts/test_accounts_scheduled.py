"""The files of schedulers give each of several accounts its token."""

from __future__ import annotations

from pathlib import Path

import yaml

from referral_warehouse.operate.schedules import Deployment, schedule_files
from tests.accounts.conftest import Run


def _made(kind: str, folder: Path) -> str:
    deployment = Deployment(["referrals"], folder, folder / "data", "daemon", accounts=("uk", "us_east"))
    [text] = schedule_files(kind, deployment, 3600).values()
    return text


def test_each_of_several_accounts_has_a_token(tmp_path: Path) -> None:
    workflow = yaml.safe_load(_made("github-actions", tmp_path))
    [job] = workflow["jobs"].values()
    tokens = {name: value for name, value in job["env"].items() if name.endswith("API_TOKEN")}
    assert tokens == {
        "ACCOUNTS__UK__API_TOKEN": "${{ secrets.REFERRAL_FACTORY_API_TOKEN_UK }}",
        "ACCOUNTS__US_EAST__API_TOKEN": "${{ secrets.REFERRAL_FACTORY_API_TOKEN_US_EAST }}",
    }
    text = _made("kubernetes", tmp_path)
    assert "--from-literal=api-token-uk=... --from-literal=api-token-us-east=..." in text
    cron_job = next(found for found in yaml.safe_load_all(text) if found["kind"] == "CronJob")
    [container] = cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    given = {one["name"]: one["valueFrom"]["secretKeyRef"]["key"] for one in container["env"] if "valueFrom" in one}
    assert given == {"ACCOUNTS__UK__API_TOKEN": "api-token-uk", "ACCOUNTS__US_EAST__API_TOKEN": "api-token-us-east"}


def test_a_token_file_is_for_one_account(referrals: Run, tmp_path: Path) -> None:
    done = referrals("schedule", "--systemd", "--token-file", str(tmp_path / "token"))
    assert done.code == 2
    assert "--token-file is for one account" in done.err


def test_the_schedule_of_several_accounts_runs_all(referrals: Run, tmp_path: Path) -> None:
    text = referrals("schedule", "--cron").out
    assert f"WAREHOUSE__DIR={tmp_path / 'data'}" in text
    assert "accounts/" not in text
