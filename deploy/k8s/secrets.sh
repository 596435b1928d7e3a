#!/usr/bin/env bash
# Makes the secrets of a cluster that has no vault, for trials: one for each process, of a folder that
# `python -m deploy secrets | tar -x -C <folder>` made.
set -eu
folder=${1:?which folder?}
kubectl apply --kustomize "$(dirname "${BASH_SOURCE[0]}")/namespace"
for process in "$folder"/*/; do
  name=parterre-$(basename "$process")
  kubectl --namespace parterre create secret generic "$name" --from-file="$process" \
    --dry-run=client --output yaml | kubectl apply --filename -
done
