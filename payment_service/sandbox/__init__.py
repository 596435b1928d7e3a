"""The sandbox payment provider: a third party of its own, as far as Parterre can tell.

It knows no service of Parterre and imports none; only HTTP connects them. See docs/sandbox.md.
"""
