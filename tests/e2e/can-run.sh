#!/usr/bin/env bash
# Whether a node can run on this machine. Where it cannot, this says why, and fails.
set -euo pipefail

try() {
    unshare --net --mount --pid --fork --mount-proc "$@" 2>&1
}

if [[ $(uname -s) != Linux ]]; then
    why="that needs Linux"
elif ((EUID != 0)); then
    why="that needs root, for namespaces, mounts and cgroups"
elif ! said=$(try true); then
    why="this root may make no namespaces ($said)"
elif ! said=$(try mount -t overlay -o lowerdir=/etc:/usr overlay /mnt); then
    why="this root may not mount overlay ($said)"
elif ! grep -q cgroup /proc/mounts; then
    why="no cgroups are mounted"
fi
[[ ${why:-} ]] || exit 0
echo "No node can run on this machine: $why." >&2
exit 1
