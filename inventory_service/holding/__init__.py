"""How holds are made: those for one event that arrive together, in one transaction (ADR 0013)."""
