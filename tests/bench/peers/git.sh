#!/bin/sh
# Without Bitbucket's API: each repository is cloned without its files, four at a time, and git lists its commits into a file.
# Its best case: the repositories are on this machine, their addresses are known, and nothing is stored in a database.
set -eu
mkdir -p "$DATABASE"
clone() {
    git clone --quiet --bare --filter=tree:0 --single-branch "file://$1" "$2"
    git -C "$2" log --format='%H%x00%P%x00%an%x00%ae%x00%at%x00%ct%x00%B%x00' HEAD >"$2.log"
    git -C "$2" rev-list --count HEAD >"$2.count"
}
if [ $# -gt 0 ]; then
    clone "$1" "$DATABASE/$(basename "$1")"
else
    xargs -P 4 -n 1 "$0" <"$REPOSITORIES"
    cat "$DATABASE"/*.count | awk '{ all += $1 } END { print all }'
fi
