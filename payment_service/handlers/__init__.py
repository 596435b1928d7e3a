"""Use cases: one transaction each. No provider is called from here; that is the worker's part."""
