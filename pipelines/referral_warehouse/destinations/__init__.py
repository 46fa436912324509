"""The published tables in a company's own warehouse, through the destinations of dlt.

``configuration`` opens a destination, ``feeds`` makes resources of the published files, ``tables`` and ``control`` know
the SQL there, ``delivery`` joins them; ``faults`` says in a line what went wrong, ``record`` what this directory knows.
"""
