"""Every table of the schema `inventory`, and every query on them but those of `holding`.

Who locks what, in which order, so that nobody waits in a circle: hold, seat, customer_quota,
live_hold, pool, section, event, tier; within a table by key. Whoever wants the seats of an expired
hold expires that hold first, in a transaction of its own, and only then claims: a claim never waits
for a hold. Each statement that locks or changes rows names its one event (`by_event`), but those on
live_hold, which is the person's and is asked by itself (ADR 0032).

The seats of a hold whose row is locked, and that are not free, are nobody else's to lock: they may
come at any time. Whoever takes several people's slots one by one has locked their quotas before.

A seat carries its hold's id only while the hold's row says so, and both change in one transaction
under the hold's row lock. A hold is due when its expiry has passed by the database's clock; what
gives places away judges that by the statement's time, what keeps them by the time it is, so that
neither moment belongs to both.
"""
