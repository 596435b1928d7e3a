"""Use cases: one transaction each; a module for each noun."""
