"""Use cases, by noun: one transaction each."""
