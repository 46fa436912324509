"""The JavaScript of Vega as one text, made by vl-convert; kept in the state directory, because that takes seconds.

The text is that of the installed version: another version has another file name.
"""

from __future__ import annotations

import os
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from referral_warehouse.extras import packages_of
from referral_warehouse.workspace.durable_files import write_whole_file

PACKAGES = ("jinja2", "vl_convert")
SNIPPET = "window.vegaEmbed = vegaEmbed;"
VEGA_LITE = "6.4"


def require_report_extra() -> None:
    """Import the packages of the extra ``report``.

    Raises: ConfigurationError when one is not installed.
    """
    with packages_of("report", PACKAGES, "The report"):
        import jinja2  # noqa: F401
        import vl_convert  # noqa: F401


def vega_bundle(state_dir: Path) -> str:
    """A script that defines ``vegaEmbed``. It is stored below ``state_dir`` where that exists and can be written."""
    import vl_convert

    folder = state_dir / "report"
    path = folder / f"vega-{version('vl-convert-python')}.js"
    stored = _stored(path)
    if stored is not None:
        return stored
    text = vl_convert.javascript_bundle(SNIPPET, vl_version=VEGA_LITE)
    if state_dir.is_dir():
        try:
            folder.mkdir(exist_ok=True)
            for old in folder.glob("vega-*.js"):
                old.unlink()
            write_whole_file(path, f"// {_checksum(text)}\n{text}")
        except OSError:  # it is made again next time
            pass
    return text


def _stored(path: Path) -> str | None:
    """The stored text, if the file exists and is complete."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), encoding="utf-8", newline="") as stream:
            head, _, text = stream.read().partition("\n")
    except (OSError, UnicodeDecodeError):
        return None
    return text if text and head == f"// {_checksum(text)}" else None


def _checksum(text: str) -> str:
    return sha256(text.encode()).hexdigest()
