"""``docs`` prints the description of this version for people and tools; it needs no account and no data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from referral_warehouse.cli.output import write_line, write_text
from referral_warehouse.cli.verbosity import logging_options
from referral_warehouse.errors import ConfigurationError

if TYPE_CHECKING:
    from referral_warehouse.consume.description.model import Description

TEXTS = ("markdown", "json", "mermaid")
FOLDERS = ("dbt", "cube", "superset")


@click.command(epilog="Example: referrals docs --format dbt --out analytics")
@click.option(
    "--format", "form", type=click.Choice((*TEXTS, *FOLDERS)), default="markdown",
    help="Markdown, JSON, a Mermaid diagram, or the files of a tool.",
)  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), help="Write the files of a tool into this new folder.")
@click.option("--accounts", is_flag=True, help="Describe what several accounts publish together.")
@logging_options
def docs(form: str, out: Path | None, accounts: bool) -> None:
    """Print the data dictionary: every published table and column, its meaning and its limits, and the metrics.

    dbt, cube and superset write files of the same content for these tools into a new folder.
    """
    if form in FOLDERS and out is None:
        raise ConfigurationError(f"--format {form} writes several files.", "Name a new folder with --out.")
    if form in TEXTS and out is not None:
        raise ConfigurationError(f"--format {form} is printed.", "Write it to a file with >, and leave out --out.")
    if out is None:
        write_text(_text(form, has_accounts=accounts))
        return
    from referral_warehouse.consume.description.export_files import export_files, write_files

    paths = write_files(out, export_files(form, _description(has_accounts=accounts)))
    write_line(f"{len(paths)} files in {out}: {', '.join(paths[:3])}{' …' if len(paths) > 3 else ''}")


def _description(*, has_accounts: bool) -> Description:
    from referral_warehouse.consume.description.accounts import with_accounts
    from referral_warehouse.consume.description.describe import describe

    return with_accounts(describe()) if has_accounts else describe()


def _text(form: str, *, has_accounts: bool) -> str:
    description = _description(has_accounts=has_accounts)
    if form == "json":
        from referral_warehouse.consume.description.schema_json import schema_text

        return schema_text(description)
    if form == "mermaid":
        from referral_warehouse.consume.description.mermaid import mermaid_text

        return mermaid_text(description)
    from referral_warehouse.consume.description.dictionary import write_dictionary

    return write_dictionary(description)
