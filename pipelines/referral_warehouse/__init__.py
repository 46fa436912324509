"""referral-warehouse: loads the data of a Referral Factory account into DuckDB, checks it, and publishes it.

Imports go in one direction (tests/test_dependency_rules.py verifies this): ``errors, settings <- api <- load <- cli``,
``load <- dlt_source``, ``errors, settings <- warehouse <- cli``, ``sandbox <- cli``.
"""

__version__ = "0.2.0"
