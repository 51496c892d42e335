# shellcheck shell=bash
# The images that run on the node, built by buildah, no registry needed. Sourced by e2e.sh, which sets $root, $dir and
# $operator (the static binary), and starts the node.

with_buildah() {
    # vfs: works on any file system, and nothing here is large.
    buildah --root "$dir/storage" --runroot "$dir/storage-run" --storage-driver vfs "$@"
}

# Usage: build_image NAME:TAG FLAGS… FOLDER
build_image() {
    with_buildah build --quiet --pull-never --isolation chroot --tag "localhost/$1" "${@:2}" >/dev/null
}

# Usage: import_image NAME:TAG
import_image() {
    local file=$dir/image.tar
    rm -f "$file"
    with_buildah push --quiet "localhost/$1" "oci-archive:$file:localhost/$1" >/dev/null
    # It warns of old cgroups each time.
    ctr images import --local "$file" >"$dir/out" 2>&1 || { cat "$dir/out"; return 1; }
    printf '  %-40s %4d MB packed\n' "localhost/$1" $(($(stat -c %s "$file") / 1000000))
    rm -f "$file"
}

# The Dockerfile as it is, but that a folder stands in for its first stage, whose base image would have to be pulled. What
# that stage makes is made by the same .ci/compile, here.
build_operator() {
    local stage=$dir/stage
    mkdir -p "$stage/etc/ssl/certs"
    cp "$operator" "$stage/bitbucket-connector"
    cp -L /etc/ssl/certs/ca-certificates.crt "$stage/etc/ssl/certs/"
    # shellcheck disable=SC2086 # several words
    build_image "bitbucket-connector:$version" --build-arg TARGETARCH= --build-context "build=$stage" ${IMAGE_LABELS:-} --file "$root/Dockerfile" "$root"
    # There has been no other release: the previous image is the same program by another name, with the previous chart's
    # arguments and environment.
    with_buildah tag "localhost/bitbucket-connector:$version" localhost/bitbucket-connector:previous
}

# Usage: image_says TEXT…
# Each is a line of what the operator's image says of itself, or of the list of its files.
image_says() {
    local container text said
    container=$(with_buildah from --pull-never "localhost/bitbucket-connector:$version")
    # shellcheck disable=SC2016 # a template, not the shell's
    said=$(with_buildah inspect --format '{{with .OCIv1.Config}}user {{.User}}{{"\n"}}{{range $name, $value := .Labels}}{{$name}}={{$value}}{{"\n"}}{{end}}{{end}}' "$container"
        cd "$(with_buildah mount "$container")" && find . -type f | sed 's/^/file /')
    with_buildah rm "$container" >/dev/null
    echo "$said"
    for text in "$@"; do grep -qxF -- "$text" <<<"$said" || { echo "there is no line: $text"; return 1; }; done
    [[ $(grep -c '^file ' <<<"$said") == 2 ]]
}

# cargo-auditable keeps the list in a section of this name.
names_its_crates() {
    grep -q '\.dep-v0' "$operator"
}

build_pause() {
    mkdir "$dir/pause"
    (cd "$root/tests/cluster" && CGO_ENABLED=0 go build -buildvcs=false -ldflags '-s -w' -o "$dir/pause/pause" ./pause)
    printf 'FROM scratch\nCOPY pause /\nENTRYPOINT ["/pause"]\n' >"$dir/pause/Dockerfile"
    build_image pause:latest "$dir/pause"
}

# Usage: with_libraries ROOTFS FILE…
# Programs and folders of this machine, at the same place, with the libraries they need.
with_libraries() {
    local rootfs=$1 file
    shift
    for file in "$@"; do (cd / && cp -a --parents ".$file" "$rootfs"); done
    # ldd fails on what is no program, and fails then altogether.
    { find "$@" -type f -perm /111 -exec ldd {} + 2>/dev/null || true; } | grep -o '/[^ ]*\.so[^ :]*' | sort -u |
        while IFS= read -r file; do (cd / && cp -L --parents ".$file" "$rootfs"); done
}

# One image for what the operator talks to: the simulated Bitbucket with git and its repositories, and a PostgreSQL. It is
# made of this machine's own files, so that nothing is downloaded, and is what the tests beside this one use.
build_servers() {
    local rootfs=$dir/servers postgres
    postgres=$(compgen -G '/usr/lib/postgresql/*/bin/postgres' | sort -V | tail -n 1)
    postgres=${postgres%/bin/postgres}
    [[ $postgres ]] || { echo "There is no PostgreSQL in /usr/lib/postgresql (Debian's package postgresql)."; return 1; }
    # /bin is a link on some machines, and must be one here.
    mkdir -p "$rootfs"/{usr/bin,usr/lib,usr/lib64,etc,git} && mkdir -m 1777 "$rootfs/tmp"
    for link in bin lib lib64; do [[ ! -L /$link ]] || ln -s "usr/$link" "$rootfs/$link"; done
    with_libraries "$rootfs" /bin/sh "$(readlink -f /bin/sh)" "$(command -v git)" \
        "$postgres/bin/postgres" "$postgres/bin/initdb" "$postgres/lib" "/usr/share/postgresql/${postgres##*/}" \
        /usr/share/zoneinfo/UTC /usr/share/zoneinfo/Etc/UTC
    cp "$BITBUCKET_SIMULATOR" "$rootfs/usr/bin/"
    with_libraries "$rootfs" "$BITBUCKET_SIMULATOR"
    ln -s "$postgres/bin" "$rootfs/postgres"
    echo 'server:x:65532:65532::/tmp:/bin/sh' >"$rootfs/etc/passwd"
    cp -a "$dir/git/." "$rootfs/git"
    printf 'FROM scratch\nCOPY --chown=65532:65532 . /\nUSER 65532:65532\n' >"$dir/servers.Dockerfile"
    build_image servers:latest --file "$dir/servers.Dockerfile" "$rootfs"
}
