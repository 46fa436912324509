"""Everything that reads a published snapshot; it writes into none and asks no API."""
