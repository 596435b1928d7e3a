#!/usr/bin/env bash
# A container engine for the tests, where none runs and no image can be pulled.
#
#   engine.sh start    prints the environment of an engine that answers: the machine's own, which
#                      pulls the official images, or one of Debian's that is started here, which
#                      takes root, with stand-ins for the official images
#   engine.sh images   builds the service image, and the stand-ins where they are needed
#   engine.sh stop     ends the engine that `start` started, and takes its traces out of the network
#
# `start` ends with 3, and says why on standard error, where there is none and none can be started.
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
state=${PARTERRE_ENGINE_HOME:-${PARTERRE_CACHE:-$HOME/.cache/parterre}/engine}
socket=$state/run/docker.sock
base=parterre-base:trixie
standins=(postgres rabbitmq haproxy prometheus alertmanager)
# The client of Debian's package brings BuildKit along; a newer one elsewhere may lack its plug-in.
client=/usr/bin/docker
export DOCKER_CONFIG=$state/config

answers() { timeout 10 "$client" --host "unix://$socket" version >/dev/null 2>&1; }

cannot() {
  echo "engine: not run: $1" >&2
  exit 3
}

# An engine that the machine has anyway, with what builds images and runs compose files.
has_its_own() {
  timeout 10 docker version >/dev/null 2>&1 && timeout 10 docker buildx version >/dev/null 2>&1 &&
    timeout 10 docker compose version >/dev/null 2>&1
}

forwarding() { cat "/proc/sys/net/ipv4/ip_forward"; }

bridges() { ip -o link show type bridge | awk -F': ' '{print $2}' | sort; }

tables() { nft list tables 2>/dev/null | sort; }

start() {
  if ! answers && (unset DOCKER_CONFIG && has_its_own); then
    echo own >"$state/kind"
    echo DOCKER=docker
    return
  fi
  echo started >"$state/kind"
  if ! answers; then
    [ "$(id -u)" = 0 ] || cannot 'no engine was started, which takes root'
    [ -e /etc/debian_version ] || cannot "no engine was started: this is not Debian, whose packages it takes"
    local had_one
    had_one=$(command -v dockerd || true)
    if ! [ -x "$client" ] || ! command -v dockerd mmdebstrap iptables nft >/dev/null; then
      {
        apt-get update -q
        DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends \
          docker.io iptables nftables mmdebstrap
      } >"$state/packages.log" 2>&1 || cannot "the packages docker.io and mmdebstrap can't be had: $state/packages.log"
      # The package may have started one of its own just now.
      if [ -z "$had_one" ] && command -v service >/dev/null; then
        service docker stop >/dev/null 2>&1 || true
      fi
    fi
    mkdir -p "$state/run" "$state/data"
    # How the network is without it; one that was not stopped left its traces, and what it found.
    if ! [ -e "$state/forwarding" ]; then
      tables >"$state/tables"
      bridges >"$state/bridges"
      forwarding >"$state/forwarding"
    fi
    rm -f "$state/run/dockerd.pid" "$state/run/exec/containerd/containerd.pid"
    nohup dockerd --host "unix://$socket" --data-root "$state/data" --exec-root "$state/run/exec" \
      --pidfile "$state/run/dockerd.pid" --exec-opt native.cgroupdriver=cgroupfs \
      >"$state/dockerd.log" 2>&1 </dev/null &
    for _ in $(seq 60); do
      if answers; then break; fi
      sleep 0.5
    done
    answers || cannot "dockerd did not answer: $(tail -n 3 "$state/dockerd.log")"
  fi
  echo "DOCKER=$client"
  echo "DOCKER_HOST=unix://$socket"
  echo "DOCKER_CONFIG=$DOCKER_CONFIG"
  # Its container that cleans up after others is one more image; what is started here is stopped here.
  echo TESTCONTAINERS_RYUK_DISABLED=true
  local standin
  for standin in "${standins[@]}"; do echo "${standin^^}_IMAGE=parterre-$standin:stand-in"; done
}

# Compose comes in a package of the development environment.
compose() {
  mkdir -p "$DOCKER_CONFIG/cli-plugins"
  ln -sf "$PWD/.venv/bin/docker-compose" "$DOCKER_CONFIG/cli-plugins/docker-compose"
}

docker_build() { # tag, folder, arguments
  local tag=$1
  shift
  local secrets=(--secret 'id=ca,src=/etc/ssl/certs/ca-certificates.crt')
  if [ -e /etc/pip.conf ]; then secrets+=(--secret 'id=pip,src=/etc/pip.conf'); fi
  if [ -e /etc/uv/uv.toml ]; then secrets+=(--secret 'id=uv,src=/etc/uv/uv.toml'); fi
  DOCKER_BUILDKIT=1 "$client" build --quiet --network host --tag "$tag" "${secrets[@]}" \
    --build-arg "BASE_IMAGE=$base" "$@" >/dev/null
  echo "engine: $tag: $("$client" image inspect --format '{{.Size}}' "$tag") bytes"
}

images() {
  if [ "$(cat "$state/kind")" = own ]; then
    unset DOCKER_CONFIG
    docker build --quiet --tag parterre:local --file deploy/Dockerfile . >/dev/null
    return
  fi
  export DOCKER_HOST=unix://$socket
  compose
  if ! "$client" image inspect "$base" >/dev/null 2>&1; then
    mmdebstrap --quiet --variant=minbase --include=python3,python3-venv,ca-certificates trixie - |
      "$client" import --change 'CMD ["python3"]' - "$base" >/dev/null
  fi
  docker_build parterre:local --file deploy/Dockerfile \
    --build-arg "REVISION=$(git rev-parse HEAD)" \
    --build-arg "SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)" .
  local standin
  for standin in "${standins[@]}"; do
    # Alertmanager's is a stage of Prometheus's.
    if [ "$standin" = alertmanager ]; then
      docker_build parterre-alertmanager:stand-in --target alertmanager --file deploy/engine/prometheus.Dockerfile .
    else
      docker_build "parterre-$standin:stand-in" --file "deploy/engine/$standin.Dockerfile" .
    fi
  done
  # What earlier commits left.
  "$client" image prune --force >/dev/null
  "$client" builder prune --force --keep-storage 4GB >/dev/null
}

stop() {
  local pid
  if [ -e "$state/run/dockerd.pid" ]; then
    pid=$(cat "$state/run/dockerd.pid")
    kill "$pid" 2>/dev/null || true
    for _ in $(seq 60); do
      kill -0 "$pid" 2>/dev/null || break
      sleep 0.5
    done
  fi
  [ -e "$state/forwarding" ] || return 0
  # What was not there before the engine was.
  tables | comm -13 "$state/tables" - | while read -r _ family table; do
    case "$family $table" in
      'ip nat' | 'ip filter' | 'ip6 nat' | 'ip6 filter') nft delete table "$family" "$table" ;;
    esac
  done
  bridges | comm -13 "$state/bridges" - | while read -r bridge; do
    ip link delete "$bridge"
  done
  cat "$state/forwarding" >/proc/sys/net/ipv4/ip_forward
  rm -f "$state/forwarding" "$state/tables" "$state/bridges" "$state/run/dockerd.pid"
}

mkdir -p "$state"
case ${1:-} in
  start | images | stop) "$1" ;;
  *)
    sed -n '2,12s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
