"""What clients send: every field bounded, unknown fields refused, nothing coerced.

Numbers are numbers and quantities whole; text that people write is kept by one rule
(`chassis.text`). What the services alone can know, they check themselves.
"""
