#!/bin/sh
# Starts a RabbitMQ node as whatever account the container has. The nodes' shared secret must be the
# account's own file, which a mounted one is not.
set -eu
umask 077
cookie=$HOME/.erlang.cookie
rm -f "$cookie"
cp /run/secrets/erlang_cookie "$cookie"
chmod 400 "$cookie"
mkdir -p "$HOME/conf.d"
rm -f "$HOME"/conf.d/*.conf
cp /etc/parterre/rabbitmq.conf "$HOME/conf.d/10-parterre.conf"
if [ -n "${PARTERRE_CLUSTER:-}" ]; then
  {
    echo 'cluster_formation.peer_discovery_backend = classic_config'
    echo 'cluster_partition_handling = pause_minority'
    number=1
    for host in $PARTERRE_CLUSTER; do
      echo "cluster_formation.classic_config.nodes.$number = rabbit@$host"
      number=$((number + 1))
    done
  } >"$HOME/conf.d/20-cluster.conf"
fi
echo '[rabbitmq_prometheus].' >"$HOME/enabled_plugins"
export RABBITMQ_CONFIG_FILES="$HOME/conf.d"
export RABBITMQ_ENABLED_PLUGINS_FILE="$HOME/enabled_plugins"
export RABBITMQ_LOGS=-
# Threads that look about before they sleep cost a quarter of what the node needs at half load.
export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="+sbwt none +sbwtdcpu none +sbwtdio none"
exec rabbitmq-server
