"""Publishes feeds, schema, report and manifest of the published snapshots over HTTP, read-only."""
