"""The service's own tables, and every query on them, by noun."""
