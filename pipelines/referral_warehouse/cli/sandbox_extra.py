"""Checks that the packages of the extra ``sandbox`` are installed, for the commands that start the sandbox."""

from __future__ import annotations

from referral_warehouse.errors import ConfigurationError

PACKAGES = ("starlette", "uvicorn")
INSTALL = "pip install 'referral-warehouse[sandbox]'"


def require_sandbox_extra() -> None:
    """Import the web server of the sandbox.

    Raises: ConfigurationError when a package of the extra is not installed.
    """
    try:
        import referral_warehouse.sandbox.server  # noqa: F401
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in PACKAGES:
            raise
        raise ConfigurationError(
            f"The sandbox needs the package {missing}, which is not installed.", f"Run: {INSTALL}"
        ) from None
