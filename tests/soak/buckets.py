"""A server of S3 on this machine, installed for the tests that need one, and the environment that means it."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from referral_warehouse.operate.delivery_bucket import DeliveryBucket

SECRET = "wJalrXUtnFEMIK7MDENGbPxRfiCY"


class Server:
    """The running server, and the packages beside it."""

    def __init__(self, port: int, packages: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.packages = packages
        self._buckets = 0

    def fail(self, **fault: Any) -> None:
        httpx.put(f"{self.url}/__fail", json=fault).raise_for_status()

    def requests(self) -> list[str]:
        found: list[str] = httpx.get(f"{self.url}/__requests").json()
        return found

    def new_bucket(self) -> str:
        self._buckets += 1
        name = f"bucket-{self._buckets}"
        with closing(DeliveryBucket(name, "")) as bucket:
            bucket._files.mkdir(name)
        return name


@contextmanager
def bucket_server(folder: Path) -> Iterator[Server]:
    """Install and start the server in a folder; the environment of this process means it meanwhile."""
    environment = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    client = f"s3fs=={importlib.metadata.version('fsspec')}"  # each s3fs needs the fsspec of its own version
    subprocess.run([environment / "bin" / "pip", "install", "-q", client, "moto[server]"], check=True)
    [packages] = (environment / "lib").glob("python*/site-packages")
    with pytest.MonkeyPatch.context() as patch, (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [environment / "bin" / "python", Path(__file__).with_name("s3_server.py")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        running = Server(int(process.stdout.readline()), packages)
        patch.setattr(sys, "path", [*sys.path, str(packages)])
        for name, value in aws(running, folder).items():
            patch.setenv(name, value)
        yield running
        process.stdin.close()
        process.wait(60)
        process.stdout.close()


def aws(server: Server, home: Path) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_ENDPOINT_URL": server.url,
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true", "HOME": str(home),
    }  # fmt: skip
