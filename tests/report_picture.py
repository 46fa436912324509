"""Makes docs/report.png, the picture of the report in README.md, from the demo's data with a headless Chromium.

``python -m tests.report_picture`` writes it; where there is no Chromium it says so and leaves the picture as it is.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.chromium import NO_BROWSER, Opened, chromium, chromium_path

PROJECT = Path(__file__).parents[1]
PICTURE = PROJECT / "docs" / "report.png"
SIZE = (1240, 900)
HEIGHT = 1300
DAYS = "3"


def main() -> None:
    """Simulate the demo of README.md in a temporary directory and take the picture of its report."""
    if chromium_path() is None:
        sys.stderr.write(f"docs/report.png is left as it is: {NO_BROWSER}\n")
        return
    with tempfile.TemporaryDirectory(prefix="report-picture-") as folder:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SOURCES__", "WAREHOUSE__"))}
        own = {"WAREHOUSE__DIR": f"{folder}/data", "HOME": folder, "XDG_STATE_HOME": f"{folder}/machine"}
        subprocess.run(
            [sys.executable, "-m", "referral_warehouse", "demo", "--days", DAYS], env=kept | own, cwd=folder,
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        take(Path(folder) / "data" / "report.html", PICTURE)


def take(report: Path, picture: Path) -> None:
    """Take a picture of the figures of all campaigns."""
    with chromium() as browser, Opened(browser, report, SIZE) as opened:
        # Its age depends on the day on which the picture is taken.
        opened.page.evaluate("() => { document.getElementById('age')?.remove(); scrollTo(0, 0); }")
        opened.page.evaluate(
            "() => document.querySelectorAll('.facts, .part .grid:has(.fold), nav, #campaigns-all, #overview-all')"
            ".forEach(part => part.remove())"
        )
        opened.page.screenshot(path=picture, clip={"x": 0, "y": 0, "width": SIZE[0], "height": HEIGHT}, full_page=True)


if __name__ == "__main__":
    main()
