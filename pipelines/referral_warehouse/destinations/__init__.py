"""The published tables in a company's own warehouse, through the destinations of dlt.

``configuration`` opens a destination, ``feeds`` makes resources of the published files, ``tables``, ``views`` and
``control`` know the SQL there, ``steps`` and ``delivery`` join them. ``faults`` says in a line what went wrong, and
``record`` what this directory knows.
"""
