"""The tables of schema `payment`, and every query on them.

Whoever changes a payment holds its row's lock first, so that its attempts, refunds and calls are
read as they are and change together; a provider's answer finds its call's row by the fencing token.
Locks are taken in the order payment, then provider_call, and of several in the order of the
payments; a claim takes the latter alone, and skips what is locked.

What a transaction changes is written at its end, for all its payments at once, and waits for
nothing but the commit.
"""
