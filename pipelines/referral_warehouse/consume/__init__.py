"""Everything that reads a published snapshot; it changes none and sends no request to the API."""
