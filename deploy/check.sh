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
if [ -e "${migrations[0]}" ]; then
  check "${#migrations[@]} migrations" "$bin/squawk" --config deploy/squawk.toml --reporter gcc \
    "${migrations[@]}"
fi

# --- images and containers -------------------------------------------------------------------
check deploy/Dockerfile "$bin/hadolint" deploy/Dockerfile
# DL3008: the stand-ins of the tests take what Debian has.
check 'stand-ins for images' "$bin/hadolint" --ignore DL3008 deploy/engine/*.Dockerfile
check 'compose files' "$bin/check-jsonschema" --builtin-schema vendor.compose-spec deploy/compose*.yaml
check 'secrets of the compose files' "$bin/python" -m deploy.compose_check deploy/compose*.yaml

# --- what watches ----------------------------------------------------------------------------
if programs=$("$bin/python" -m deploy.prometheus 2>"$work/why"); then
  watches=deploy/observability
  check "alert rules" "$programs/promtool" check rules --lint=all --lint-fatal "$watches"/rules/*.yaml
  check 'alerts come when they should, and not when they should not' \
    "$programs/promtool" test rules "$watches/rules-test.yaml"
  "$bin/python" -m deploy.dashboards --rules >"$work/queries.json"
  check "queries of the dashboards" "$programs/promtool" check rules "$work/queries.json"
  # What it reads in its container (rules, the sandbox provider's key) is not here.
  check "Prometheus's configuration" "$programs/promtool" check config --syntax-only "$watches/prometheus.yml"
  check "Alertmanager's configurations" "$programs/amtool" check-config "$watches"/alertmanager*.yml
else
  echo "deploy-check: alert rules were NOT checked: $(tail -n 1 "$work/why")"
fi
check 'dashboards are current' "$bin/python" -m deploy.dashboards --check

# --- Kubernetes ------------------------------------------------------------------------------
check 'Kubernetes files of processes and networks are current' "$bin/python" -m deploy.manifests --check
if kubectl=$(deploy/kubectl.sh); then
  while IFS= read -r file; do
    folder=$(dirname "$file")
    whole="$work/$(tr / - <<<"${folder#deploy/k8s/}").yaml"
    check "$folder can be put together" "$kubectl" kustomize "$folder" --output "$whole"
    if [ -e "$whole" ]; then
      check "$folder" "$bin/kubernetes-validate" --strict --no-warn "$whole"
    fi
  done < <(grep -l 'kind: Kustomization' -r deploy/k8s/overlays --include=kustomization.yaml | sort)
  check 'custom resources, scalers, pods, secrets and edges' "$bin/python" -m deploy.cluster_check "$work"/*.yaml
  grep '^.*: not checked' "$work/output" | sed "s|^$work/|deploy-check: |" || true
else
  echo 'deploy-check: Kubernetes overlays were NOT checked: there is no kubectl here, and none could be fetched'
fi

exit "$failed"
