#!/usr/bin/env bash
# Parterre with Docker and nothing else (docs/operations.md, "With Compose").
#
#   compose.sh up       builds the image, makes the secrets that are missing, starts everything
#   compose.sh down     stops everything; what it knows stays (VOLUMES=1: that goes too)
#   compose.sh demo     plays the whole story, through HAProxy
#   compose.sh secrets  only makes the secrets that are missing
#
# DOCKER names the program (docker); PARTERRE_IMAGE an image that is pulled instead of built.
# COMPOSE_FILE may list overlays, as Compose has it.
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."
docker=${DOCKER:-docker}
image=${PARTERRE_IMAGE:-parterre:local}
export PARTERRE_SECRETS_HOME=${PARTERRE_SECRETS_HOME:-$PWD/deploy/secrets}
export COMPOSE_FILE=${COMPOSE_FILE:-$PWD/deploy/compose.yaml}

build() {
  if [ -n "${PARTERRE_IMAGE:-}" ]; then return; fi
  DOCKER_BUILDKIT=1 "$docker" build --tag "$image" --file deploy/Dockerfile \
    --build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || echo unknown)" \
    --build-arg "SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || echo 0)" .
}

secrets() {
  local home=$PARTERRE_SECRETS_HOME fresh file
  (umask 077 && mkdir -p "$home")
  fresh=$(mktemp -d "$home/.fresh.XXXXXX")
  # The image makes them, and what is there already goes into it: nothing is mounted, so that any
  # engine will do, also one that is elsewhere or runs as another account.
  { cat "$home/secrets.json" 2>/dev/null || true; } |
    "$docker" run --rm --interactive --network none --read-only --tmpfs /tmp --cap-drop ALL \
      "$image" python -m deploy secrets | tar -x -C "$fresh" --no-same-owner -p
  (cd "$fresh" && find . -type f | sort) | while read -r file; do
    case $file in
      # Made of all that is there, and of nothing that an operator would write.
      ./secrets.json | *_service_peers | */definitions.json) ;;
      *) if [ -e "$home/$file" ]; then continue; fi ;;
    esac
    mkdir -p "$home/$(dirname "$file")"
    chmod 755 "$home/$(dirname "$file")"
    cp -pf "$fresh/$file" "$home/$file"
  done
  rm -rf "$fresh"
  chmod 700 "$home"
}

up() {
  build
  secrets
  "$docker" compose up --detach --wait --wait-timeout 300
  echo "Parterre answers at https://localhost:${PARTERRE_PORT:-8443} (its certificate is its own)."
  echo "The admin is admin@parterre.example, the password is in $PARTERRE_SECRETS_HOME/auth/auth_bootstrap_admin_password."
}

down() {
  if [ -n "${VOLUMES:-}" ]; then
    "$docker" compose --profile tools down --remove-orphans --volumes
  else
    "$docker" compose --profile tools down --remove-orphans
  fi
}

demo() {
  "$docker" compose run --rm --no-deps demo
}

case ${1:-} in
  up | down | demo | secrets) "$1" ;;
  *)
    sed -n '2,10s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
