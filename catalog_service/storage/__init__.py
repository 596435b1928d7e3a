"""Tables of schema `catalog` and every query on them, by noun."""
