#!/usr/bin/env bash
# Rolls a version out: the schemas first, then the processes, and waits for both.
#
#   roll-out.sh <overlay>     for example: roll-out.sh overlays/production
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")"
overlay=${1:?which overlay? for example overlays/production}
kubectl apply --kustomize namespace
# A finished Job can't be changed, and one that is there is not run again.
kubectl --namespace parterre delete job provision migrate --ignore-not-found --wait
if [ -d "$overlay/data" ]; then kubectl apply --kustomize "$overlay/data"; fi
# `migrate` is tried again until `provision` has ended.
kubectl apply --kustomize "$overlay/before"
for job in provision migrate; do
  kubectl --namespace parterre wait --for=condition=complete --timeout=30m "job/$job"
done
kubectl apply --kustomize "$overlay"
for process in auth catalog inventory booking payment notification gateway; do
  kubectl --namespace parterre rollout status "deployment/$process" --timeout=10m
done
