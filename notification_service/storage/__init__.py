"""The service's own tables, and every query on them; a module for each noun."""
