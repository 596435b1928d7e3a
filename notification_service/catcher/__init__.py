"""A mail server for a developer's machine: it delivers nothing, and shows what it was given.

A process of its own that knows nothing of us. What it caught is in its memory, bounded, and gone
when it stops.
"""
