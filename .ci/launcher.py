"""Writes .venv/bin/referrals, which starts Python so that nothing of the surroundings takes the project's place.

Isolated mode leaves out PYTHONPATH, PYTHON* variables, the user's own packages and the folder of the script; UTF-8 mode
makes names of files independent of the locale; without `site`, which the program runs itself, its first line comes
before anything that a signal could interrupt. A shell script, because the path may contain blanks.
"""

import shlex
import sys
from pathlib import Path

from pipelines import __main__

launcher = Path(sys.executable).with_name("referrals")
command = [sys.executable, "-I", "-S", "-X", "utf8", str(Path(__main__.__file__).resolve())]
written = launcher.with_name("referrals.new")
written.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n', encoding="utf-8")
written.chmod(0o755)
written.replace(launcher)
