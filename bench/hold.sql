-- One hold by one statement, for pgbench with 16 clients: each its own seat and person.
\set seat_no :n * 16 + :client_id
\set n :n + 1
WITH ids AS MATERIALIZED (
    SELECT gen_random_uuid() AS hold_id, gen_random_uuid() AS customer_id,
           clock_timestamp() AS now, clock_timestamp() + interval '10 minutes' AS expires_at,
           max_per_customer AS most
      FROM event WHERE event_id = :event AND status = 'OPEN'
       AND sales_to > clock_timestamp()
), free AS MATERIALIZED (
    SELECT seat_no FROM seat
     WHERE event_id = :event AND seat_no = :seat_no AND status = 'AVAILABLE'
     ORDER BY seat_no FOR UPDATE
), taken AS (
    UPDATE seat SET status = 'HELD', hold_id = ids.hold_id, version = version + 1
      FROM free, ids
     WHERE seat.event_id = :event AND seat.seat_no = free.seat_no AND status = 'AVAILABLE'
    RETURNING seat.seat_no, seat.version
), journaled AS (
    INSERT INTO seat_journal (event_id, seat_no, version, from_status, to_status, hold_id)
    SELECT :event, seat_no, version, 'AVAILABLE', 'HELD', hold_id FROM taken, ids
), counted AS (
    INSERT INTO customer_quota (event_id, customer_id, seats)
    SELECT :event, customer_id, 1 FROM taken, ids
        ON CONFLICT (event_id, customer_id) DO UPDATE
       SET seats = customer_quota.seats + excluded.seats
     WHERE customer_quota.seats + excluded.seats <= 10
), slot AS (
    INSERT INTO live_hold (customer_id, slot, event_id, hold_id, expires_at)
    SELECT customer_id, 1, :event, hold_id, expires_at FROM taken, ids
        ON CONFLICT (customer_id, slot) DO UPDATE SET hold_id = excluded.hold_id
     WHERE live_hold.expires_at <= clock_timestamp()
), made AS (
    INSERT INTO hold (event_id, hold_id, customer_id, status, seats, tickets, created_at,
                      expires_at, extendable_until)
    SELECT :event, hold_id, customer_id, 'ACTIVE', 1, 0, now, expires_at,
           now + interval '20 minutes' FROM taken, ids
)
INSERT INTO hold_line (event_id, hold_id, line_no, seat_no, section_id, tier_id, quantity, price)
SELECT :event, hold_id, 0, seat_no, :event, :event, 1, 100000 FROM taken, ids;
