"""Full-text search, what is left, stored coordinates, attendance, pictures, reviews."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    _add_coordinates()
    _add_search()
    _add_availability()
    _add_reviews()
    op.execute(
        "-- squawk-ignore ban-drop-constraint\nALTER TABLE event DROP CONSTRAINT event_status_check"
    )
    _constraint(
        "event",
        "event_status_check",
        "CHECK (status IN ('DRAFT', 'PUBLISHING', 'PUBLISHED', 'CANCELLED', 'COMPLETED'))",
    )
    _index("event_to_complete ON event (ends_at) WHERE status = 'PUBLISHED'")


# Indexes and constraints are made while these tables can still be read through in a moment.


def _index(definition: str) -> None:
    op.execute(f"-- squawk-ignore require-concurrent-index-creation\nCREATE INDEX {definition}")


def _constraint(table: str, name: str, definition: str) -> None:
    op.execute(
        "-- squawk-ignore constraint-missing-not-valid, disallowed-unique-constraint\n"
        f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}"
    )


def _add_coordinates() -> None:
    op.execute("ALTER TABLE venue ADD COLUMN focal_x double precision")
    op.execute("ALTER TABLE venue ADD COLUMN focal_y double precision")
    _constraint("venue", "venue_focal", "CHECK ((focal_x IS NULL) = (focal_y IS NULL))")
    # Of each place of `rows`, gaps included, one row after the other.
    op.execute("ALTER TABLE section ADD COLUMN xs double precision[] NOT NULL DEFAULT '{}'")
    op.execute("ALTER TABLE section ADD COLUMN ys double precision[] NOT NULL DEFAULT '{}'")
    op.execute(
        """
        UPDATE section SET (xs, ys) = (
            SELECT array_agg(round((origin_x + away * seat_spacing)::numeric, 3)
                             ORDER BY depth, place),
                   array_agg(round((origin_y + (depth - 1) * row_spacing
                                    - curve * (away / coalesce(nullif(middle, 0), 1)) ^ 2
                                   )::numeric, 3)
                             ORDER BY depth, place)
              FROM jsonb_array_elements(rows) WITH ORDINALITY AS line (seats, depth),
                   LATERAL (SELECT (jsonb_array_length(line.seats -> 'seats') - 1) / 2.0::float8
                           ) AS half (middle),
                   LATERAL generate_series(1, jsonb_array_length(line.seats -> 'seats')
                           ) AS place,
                   LATERAL (SELECT place - 1 - middle) AS offset_ (away))
         WHERE kind = 'SEATED'
        """
    )
    _constraint(
        "section",
        "section_places",
        "CHECK (cardinality(xs) = cardinality(ys) AND (kind = 'SEATED') = (xs <> '{}'))",
    )


def _add_search() -> None:
    # The extension may be there already, in whatever schema. The bodies of these functions are
    # read now, so that whoever calls them needs no right on that schema.
    op.execute(
        r"""
        DO $do$
        DECLARE
            home text;
        BEGIN
            CREATE EXTENSION IF NOT EXISTS unaccent;
            SELECT quote_ident(nspname) INTO home
              FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace
             WHERE extname = 'unaccent';
            EXECUTE replace($sql$
                CREATE FUNCTION plain_words(said text) RETURNS text
                LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
                RETURN lower(translate(
                    HOME.unaccent('HOME.unaccent'::regdictionary, said),
                    '!"#$%&''()*+,-./:;<=>?@[\]^_`{|}~', repeat(' ', 32)))
                $sql$, 'HOME', home);
        END
        $do$
        """
    )
    op.execute(
        """
        CREATE FUNCTION event_words(title text, place text, description text) RETURNS tsvector
        LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
        RETURN setweight(to_tsvector('simple', plain_words(title)), 'A')
            || setweight(to_tsvector('simple', plain_words(place)), 'B')
            || setweight(to_tsvector('simple', plain_words(description)), 'D')
        """
    )
    # Each word as the beginning of one; a single ASCII character begins too many.
    op.execute(
        """
        CREATE FUNCTION event_query(asked text[]) RETURNS tsquery
        LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
        RETURN (SELECT to_tsquery('simple', string_agg(
                           '''' || plain || ''''
                               || CASE WHEN octet_length(plain) > 1 THEN ':*' ELSE '' END, ' & '))
                  FROM unnest(asked) AS word, LATERAL btrim(plain_words(word)) AS plain
                 WHERE plain <> '')
        """
    )
    op.execute("ALTER TABLE event ADD COLUMN city text NOT NULL DEFAULT ''")  # plain words
    op.execute("ALTER TABLE event ADD COLUMN search tsvector NOT NULL DEFAULT ''")
    # Its venue has another name or city by now: to be told again, and found by it.
    op.execute("ALTER TABLE event ADD COLUMN venue_changed boolean NOT NULL DEFAULT false")
    op.execute(
        """
        UPDATE event SET city = plain_words(coalesce(hall.city, '')),
               search = event_words(event.title,
                                    concat_ws(' ', event.location, hall.name, hall.city),
                                    event.description)
          FROM event AS same LEFT JOIN venue AS hall ON hall.id = same.venue_id
         WHERE same.id = event.id
        """
    )
    # What is on sale is searched most; whatever is over would only be in the way.
    _index(
        "event_search_on_sale ON event USING gin (search) WITH (fastupdate = off)"
        " WHERE status = 'PUBLISHED'"
    )
    _index(
        "event_search_others ON event USING gin (search) WITH (fastupdate = off)"
        " WHERE status <> 'PUBLISHED'"
    )
    _index("event_by_city ON event (status, city, starts_at, id)")
    _index("event_of_changed_venue ON event (id) WHERE venue_changed")


def _add_availability() -> None:
    _constraint("event", "event_id_status", "UNIQUE (id, status)")
    # What inventory told last. Beside the event, whose row is wide and much indexed; its status is
    # kept the event's own by the key, so that the popular ones on sale stand side by side.
    op.execute(
        """
        CREATE TABLE availability (
            event_id uuid PRIMARY KEY,
            status text NOT NULL,
            available integer NOT NULL DEFAULT 0 CHECK (available >= 0),
            capacity integer NOT NULL DEFAULT 0 CHECK (capacity >= 0),
            sold integer NOT NULL DEFAULT 0 CHECK (sold >= 0),
            version bigint NOT NULL DEFAULT -1,  -- inventory's; -1: it told nothing yet
            FOREIGN KEY (event_id, status) REFERENCES event (id, status)
                ON UPDATE CASCADE ON DELETE CASCADE
        )
        """
    )
    op.execute("CREATE INDEX availability_by_sold ON availability (status, sold, event_id)")
    op.execute(
        """
        INSERT INTO availability (event_id, status, available, capacity)
        SELECT id, status, capacity, capacity FROM event
        """
    )


def _add_reviews() -> None:
    # How each booking stands, as it was told last; an event may be unknown here for a while.
    op.execute(
        """
        CREATE TABLE attendance (
            booking_id uuid PRIMARY KEY,
            event_id uuid NOT NULL,
            customer_id uuid NOT NULL,
            status text NOT NULL,  -- CONFIRMED attends
            tickets integer NOT NULL CHECK (tickets >= 0),
            version integer NOT NULL
        )
        """
    )
    op.execute(
        """
        CREATE INDEX attendance_confirmed ON attendance (event_id, customer_id)
         WHERE status = 'CONFIRMED'
        """
    )
    # Of reviews; counted here so that a list needs not read them.
    op.execute("ALTER TABLE event ADD COLUMN rating_sum integer NOT NULL DEFAULT 0")
    op.execute("ALTER TABLE event ADD COLUMN rating_count integer NOT NULL DEFAULT 0")
    _constraint(
        "event",
        "event_rating",
        "CHECK (rating_count >= 0 AND rating_sum BETWEEN rating_count AND 5 * rating_count)",
    )
    op.execute(
        """
        CREATE TABLE review (
            id uuid PRIMARY KEY,  -- UUIDv7: newest last
            event_id uuid NOT NULL REFERENCES event,
            customer_id uuid NOT NULL,
            author text NOT NULL CHECK (char_length(author) BETWEEN 1 AND 100),
            rating smallint NOT NULL CHECK (rating BETWEEN 1 AND 5),
            text text NOT NULL CHECK (char_length(text) <= 2000),
            created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            UNIQUE (event_id, customer_id)
        )
        """
    )
    op.execute("CREATE INDEX review_of_event ON review (event_id, id)")
    # A slot of the gallery is taken from the first byte on, the banner's once the new one is whole.
    # What is DELETED waits for its files to go; only that may outlive its event.
    op.execute(
        """
        CREATE TABLE image (
            id uuid PRIMARY KEY,  -- random: names the files
            event_id uuid REFERENCES event,
            role text NOT NULL CHECK (role IN ('BANNER', 'GALLERY')),
            slot smallint,
            widths integer[] NOT NULL,
            width integer NOT NULL CHECK (width > 0),  -- of the largest, pixels
            height integer NOT NULL CHECK (height > 0),
            state text NOT NULL DEFAULT 'PENDING'
                CHECK (state IN ('PENDING', 'STORED', 'DELETED')),
            created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            CHECK (event_id IS NOT NULL OR state = 'DELETED'),
            CHECK ((state = 'DELETED') = (slot IS NULL)),
            CHECK (slot IS NULL OR (role = 'BANNER' AND slot = 0)
                   OR (role = 'GALLERY' AND slot BETWEEN 1 AND 5))
        )
        """
    )
    op.execute(
        """
        CREATE UNIQUE INDEX image_gallery_slot ON image (event_id, slot)
         WHERE role = 'GALLERY' AND slot IS NOT NULL
        """
    )
    op.execute(
        """
        CREATE UNIQUE INDEX image_banner ON image (event_id)
         WHERE role = 'BANNER' AND state = 'STORED'
        """
    )
    op.execute("CREATE INDEX image_to_tidy ON image (created_at) WHERE state <> 'STORED'")
