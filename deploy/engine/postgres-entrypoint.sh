#!/bin/sh
# As the official image's: makes the data folder the first time, with the superuser's password.
set -eu
if [ "$1" = postgres ] && ! [ -s "$PGDATA/PG_VERSION" ]; then
  mkdir -p "$PGDATA"
  if [ -z "${POSTGRES_PASSWORD_FILE:-}" ]; then
    POSTGRES_PASSWORD_FILE=/tmp/password
    (umask 077 && echo "$POSTGRES_PASSWORD" >"$POSTGRES_PASSWORD_FILE")
  fi
  # Several arguments in one variable, as the official image has it.
  # shellcheck disable=SC2086
  initdb --pgdata="$PGDATA" --username=postgres --auth-host=scram-sha-256 --auth-local=trust \
    --pwfile="$POSTGRES_PASSWORD_FILE" ${POSTGRES_INITDB_ARGS:-}
  echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
fi
if [ "$1" = postgres ]; then
  shift
  set -- postgres -D "$PGDATA" -c 'listen_addresses=*' "$@"
fi
exec "$@"
