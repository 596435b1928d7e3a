"""Venues, their sections, and events with their price tiers."""
