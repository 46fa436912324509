"""The warehouse room: DuckDB and ``sql/``. No HTTP, no dlt.

``build`` runs the models into a draft, ``publish`` checks it and makes it the snapshot that readers see, ``refresh``
says that the published one still holds. DuckDB and sqlglot are imported when they are needed, so that importing this
room costs nothing.
"""

from pipelines.warehouse.draft import BuildReport, build, load_report
from pipelines.warehouse.publish import Publication, publish
from pipelines.warehouse.standing import refresh

__all__ = ["BuildReport", "Publication", "build", "load_report", "publish", "refresh"]
