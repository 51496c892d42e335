#!/usr/bin/env bash
# The chart's README, with the table of values as values.yaml has them now.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
chart=charts/bitbucket-connector
sed '/^<!-- values:/q' $chart/README.md
echo
awk -f tests/chart/values-table.awk $chart/values.yaml
echo
sed -n '/^<!-- end of values/,$p' $chart/README.md
