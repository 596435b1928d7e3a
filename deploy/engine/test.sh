#!/usr/bin/env bash
# Builds the images, runs the deployment files with them, and leaves nothing running: no container,
# no engine that was started here, no trace in the network. Images and layers stay, for the next time
# (PARTERRE_ENGINE_HOME; rm -rf it to forget them). Where there is no engine and none can be started
# it says so, and ends with 0.
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
status=0
engine=$(deploy/engine/engine.sh start) || status=$?
if [ "$status" -eq 3 ]; then exit 0; fi
if [ "$status" -ne 0 ]; then exit "$status"; fi
trap 'deploy/engine/engine.sh stop' EXIT
while IFS='=' read -r name value; do export "$name=$value"; done <<<"$engine"
deploy/engine/engine.sh images
.venv/bin/python -m pytest -m engine -n 0 --timeout 600 tests/engine "$@"
