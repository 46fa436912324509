"""Checks that the packages of the extra ``sandbox`` are installed, for the commands that start the sandbox."""

from __future__ import annotations

from referral_warehouse.extras import packages_of

PACKAGES = ("starlette", "uvicorn")


def require_sandbox_extra() -> None:
    """Import the web server of the sandbox.

    Raises: ConfigurationError when a package of the extra is not installed.
    """
    with packages_of("sandbox", PACKAGES, "The sandbox"):
        import referral_warehouse.sandbox.server  # noqa: F401
