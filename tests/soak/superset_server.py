"""Apache Superset from its package, in an environment of its own, on loopback: a new instance for each ``with``.

Knows no bundle; what is imported is the caller's.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

PACKAGES = (
    "apache-superset==6.1.*", "duckdb-engine==0.17.0", "duckdb==1.5.5", "rich", "cachetools", "flask-caching<2.4",
)  # fmt: skip
"""Superset 6.1 imports rich and cachetools without naming them, and does not start with a newer flask-caching."""

USER, PASSWORD = "admin", "admin-of-a-test"
CONFIGURATION = """
SECRET_KEY = "a key for a test, of forty-two characters and more"
SQLALCHEMY_DATABASE_URI = "sqlite:///{folder}/metadata.db"
TALISMAN_ENABLED = False
"""
TIMEOUT_S = 300
LISTENING = re.compile(r"Listening at: (http://127\.0\.0\.1:\d+)")


class Superset:
    """A running instance. ``url`` is its address."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = httpx.Client(base_url=url, timeout=TIMEOUT_S, headers={"Referer": url})
        login = {"username": USER, "password": PASSWORD, "provider": "db", "refresh": False}
        token = self._client.post("/api/v1/security/login", json=login).raise_for_status().json()["access_token"]
        self._client.headers["Authorization"] = f"Bearer {token}"
        found = self._client.get("/api/v1/security/csrf_token/").raise_for_status().json()
        self._client.headers["X-CSRFToken"] = found["result"]

    def import_zip(self, kind: str, field: str, path: Path, **form: str) -> None:
        """Import a file as ``dashboard`` or as ``assets``. Raises: AssertionError with the fault that is found."""
        with path.open("rb") as stream:
            files = {field: (path.name, stream, "application/zip")}
            done = self._client.post(f"/api/v1/{kind}/import/", files=files, data=form)
        assert done.status_code == 200, done.text[:3000]

    def get(self, path: str) -> Any:
        """What the API has at a path."""
        return self._client.get(path).raise_for_status().json()["result"]

    def query(self, dataset: int, metrics: list[str], columns: list[str]) -> dict[str, Any]:
        """What a chart of a dataset gets for metrics by columns."""
        body = {
            "datasource": {"id": dataset, "type": "table"}, "result_format": "json", "result_type": "full",
            "queries": [{"metrics": metrics, "columns": columns, "row_limit": 100}],
        }  # fmt: skip
        done = self._client.post("/api/v1/chart/data", json=body)
        assert done.status_code == 200, done.text[:3000]
        [result] = done.json()["result"]
        found: dict[str, Any] = result
        return found

    def close(self) -> None:
        self._client.close()


@contextmanager
def running_superset(folder: Path) -> Iterator[Superset]:
    """Install Superset into a folder, start it with SQLite for its own data, and stop it at the end."""
    environment = folder / "environment"
    tools = environment / "bin"
    configuration = folder / "superset_config.py"
    configuration.write_text(CONFIGURATION.format(folder=folder))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environ = kept | {
        "HOME": str(folder), "SUPERSET_HOME": str(folder / "home"), "SUPERSET_CONFIG_PATH": str(configuration),
        "FLASK_APP": "superset", "SCARF_ANALYTICS": "false",
    }  # fmt: skip
    person = ["--username", USER, "--firstname", "A", "--lastname", "B", "--email", "a@example.com"]
    commands: tuple[list[str | Path], ...] = (
        [sys.executable, "-m", "venv", environment],
        [tools / "pip", "install", "-q", *PACKAGES],
        [tools / "superset", "db", "upgrade"],
        [tools / "superset", "fab", "create-admin", *person, "--password", PASSWORD],
        [tools / "superset", "init"],
    )
    for command in commands:
        done = subprocess.run(command, env=environ, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    serve = ["--threads", "4", "--timeout", "120", "--bind", "127.0.0.1:0", "superset.app:create_app()"]
    with _process([tools / "gunicorn", *serve], environ, folder) as url:
        superset = Superset(url)
        try:
            yield superset
        finally:
            superset.close()


@contextmanager
def _process(command: Sequence[Path | str], environ: Mapping[str, str], folder: Path) -> Iterator[str]:
    log = folder / "superset.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(command, env=dict(environ), cwd=folder, stdout=stream, stderr=stream)
    try:
        until = time.monotonic() + TIMEOUT_S
        while not (found := LISTENING.search(log.read_text("utf-8", "replace"))):
            assert process.poll() is None, log.read_text("utf-8", "replace")[-3000:]
            assert time.monotonic() < until, "Superset does not listen"
            time.sleep(0.1)
        yield found[1]
    finally:
        process.terminate()
        process.wait(60)
