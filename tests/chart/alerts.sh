#!/usr/bin/env bash
# The chart's alerts by Prometheus' own tool: that they can be read, and when they fire.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")"
alerts=../../charts/bitbucket-connector/files/alerts.yaml
promtool check rules "$alerts"
promtool test rules alerts_test.yaml
# An alert that no test has seen fire may be one that never does.
while read -r alert; do
    grep -q "labels: '{alertname=\"$alert\"[,}].*value: 1" alerts_test.yaml || { echo "FAILS $alert fires in no test of alerts_test.yaml"; exit 1; }
done < <(sed -n 's/^ *- alert: //p' "$alerts")
