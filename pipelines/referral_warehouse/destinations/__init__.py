"""Delivers the published tables to a company's own database or warehouse, through the destinations of dlt.

``configuration`` opens a destination, ``feeds`` makes dlt resources of the published files, ``changed_rows`` finds the
rows of a table that need to be sent, ``tables`` and ``views`` replace what readers see, ``control`` has the tables that
say which snapshot that is. ``steps`` and ``delivery`` call these in order, after ``others_tables`` has found no table
of others that would be replaced. ``faults`` turns errors into one line, and ``record`` keeps the last result for
``referrals status``.
"""
