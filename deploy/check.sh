#!/usr/bin/env bash
# Checks what can be checked of the deployment files without a database or a container engine.
# It says what it checked; a file that does not exist is not missed.
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bin=.venv/bin
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

failed=0
check() { # what is checked, then the command
  local what=$1
  shift
  if "$@" >"$work/output" 2>&1; then
    printf 'deploy-check: %s: good\n' "$what"
  else
    failed=1
    printf 'deploy-check: %s:\n' "$what" >&2
    cat "$work/output" >&2
  fi
}

# --- shell scripts, by name or by their first line -------------------------------------------
scripts=()
while IFS= read -r script; do
  scripts+=("$script")
done < <({
  git ls-files -- '*.sh'
  git grep -lI --extended-regexp -e '^#! ?/(usr/)?bin/(env )?(ba|da)?sh' -- ':!*.md' ':!*.py'
} | sort -u)
check "${#scripts[@]} shell scripts" "$bin/shellcheck" --external-sources "${scripts[@]}"

# --- migrations ------------------------------------------------------------------------------
mkdir "$work/sql"
check 'migrations can be written as SQL' "$bin/python" -m deploy.ddl "$work/sql"
migrations=("$work"/sql/*.sql)
# Left out, and why:
#   prefer-bigint-over-int,
#   prefer-bigint-over-smallint counts stay far below the limit of their type; money is bigint
#   require-lock-timeout,
#   require-statement-timeout   chassis.migrate sets both on the connection
if [ -e "${migrations[0]}" ]; then
  check "${#migrations[@]} migrations" "$bin/squawk" --assume-in-transaction --pg-version 15.0 \
    --reporter gcc \
    --exclude prefer-bigint-over-int,prefer-bigint-over-smallint \
    --exclude require-lock-timeout,require-statement-timeout \
    "${migrations[@]}"
fi

# --- images and containers -------------------------------------------------------------------
for file in deploy/Dockerfile deploy/*.Dockerfile; do
  if [ -e "$file" ]; then
    check "$file" "$bin/hadolint" "$file"
  fi
done
if [ -e deploy/compose.yaml ]; then
  check deploy/compose.yaml \
    "$bin/check-jsonschema" --builtin-schema vendor.compose-spec deploy/compose.yaml
fi

# --- Kubernetes: whole overlays where kubectl can put them together, else file by file -------
if command -v kubectl >/dev/null; then
  for folder in deploy/k8s/overlays/*/; do
    if [ -d "$folder" ]; then
      whole="$work/$(basename "$folder").yaml"
      check "$folder can be put together" kubectl kustomize "$folder" --output "$whole"
      if [ -e "$whole" ]; then
        check "$folder" "$bin/kubernetes-validate" --strict "$whole"
      fi
    fi
  done
elif [ -d deploy/k8s ]; then
  # Kustomizations and patches are no resources by themselves.
  resources=()
  while IFS= read -r resource; do
    resources+=("$resource")
  done < <(git ls-files -- 'deploy/k8s/base/*.yaml' | grep -v kustomization || true)
  if [ "${#resources[@]}" -gt 0 ]; then
    check "${#resources[@]} Kubernetes resources (kubectl is absent: overlays were not put together)" \
      "$bin/kubernetes-validate" --strict "${resources[@]}"
  fi
fi

exit "$failed"
