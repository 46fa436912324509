"""Writes .venv/bin/referrals, which starts Python so that nothing of the surroundings takes the project's place.

Isolated mode leaves out PYTHONPATH, PYTHON* variables, the user's own packages and the folder of the script; UTF-8 mode
makes names of files independent of the locale; `site` is left to the program, which first has to be ready for signals.
While Python itself starts they wait, where `env` can do that. A shell script, because the path may contain blanks.
"""

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from referral_warehouse import __main__

WAITING = ["--block-signal=INT", "--block-signal=TERM"]

launcher = Path(sys.executable).with_name("referrals")
command = [sys.executable, "-I", "-S", "-X", "utf8", str(Path(__main__.__file__).resolve())]
env = shutil.which("env")
# To `env`, a command with an equals sign in its path is a variable.
if env and "=" not in sys.executable and not subprocess.run([env, *WAITING, "true"], capture_output=True).returncode:
    command = [env, *WAITING, *command]
written = launcher.with_name("referrals.new")
written.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n', encoding="utf-8")
written.chmod(0o755)
written.replace(launcher)
