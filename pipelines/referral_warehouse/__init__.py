"""referral-warehouse: loads the data of a Referral Factory account into DuckDB, checks it, and publishes it.

Imports go in one direction (tests/test_dependency_rules.py has the whole list): ``errors, workspace, settings <- api <-
load <- cli``, ``load <- dlt_source``, ``load, warehouse <- destinations <- cli``, ``errors, workspace, settings <-
warehouse <- consume, operate <- cli``, ``sandbox <- cli``.
"""

__version__ = "0.2.0"
