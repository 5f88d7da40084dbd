#!/bin/sh
# Formats the data folder once, with the operator as the first user, then runs the broker.
# KAFKA_CLUSTER_ID: from kafka-storage.sh random-uuid. HUB_KAFKA_SECRETS: a folder with the files
# `broker` and `operator`. The operator's password is on the command line of the formatting alone,
# for the seconds it takes; what formatting tells is dropped, because it tells the operator's keys.
set -eu
operator=$(cat "$HUB_KAFKA_SECRETS/operator")
HUB_BROKER_PASSWORD=$(cat "$HUB_KAFKA_SECRETS/broker")
export HUB_BROKER_PASSWORD
/opt/kafka/bin/kafka-storage.sh format --ignore-formatted --cluster-id "$KAFKA_CLUSTER_ID" \
    --config "$1" --add-scram "SCRAM-SHA-512=[name=operator,password=$operator]" > /dev/null
exec /opt/kafka/bin/kafka-server-start.sh "$1"
