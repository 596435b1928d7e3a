"""What clients send: every field bounded, unknown fields refused, nothing coerced.

Numbers are numbers and quantities whole; text has no control characters (a NUL would not even
reach the database). What the services alone can know, they check themselves.
"""
