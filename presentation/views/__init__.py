"""What clients get: the shapes of the answers, made of what the services reply.

Shapes are typed dictionaries: the type checker holds each to its fields, and they are encoded
as they are.
"""
