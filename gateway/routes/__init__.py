"""Every route of the API, by subject."""
