"""The command line with another folder of models, as a program: ``python program.py FOLDER ARGUMENTS…``."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    from referral_warehouse import __main__
    from referral_warehouse.warehouse import models

    folder = Path(sys.argv.pop(1))
    models.sql_dir = lambda: folder
    __main__.main()
