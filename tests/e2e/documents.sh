# shellcheck shell=bash
# What README.md and docs/ tell people to do with a Pod that runs. Sourced by e2e.sh.

# Usage: as_written COMMAND
# In this test's namespace, with this connection and its last run.
as_written() {
    local command=$1
    command=${command//-n bitbucket-connector/-n "$namespace"}
    command=${command//--namespace bitbucket-connector/--namespace "$namespace"}
    command=${command//team-a\/bitbucket/"$namespace/bitbucket"}
    command=${command//2026-11-27T14:00:00Z/"$(status .sync.startTime)"}
    on_node env PATH="$bin:$PATH" bash -o pipefail -c "$command"
}

# Usage: pages_say BEGINNING…
# All commands that begin so.
pages_say() {
    local beginning page command
    for beginning; do
        [[ $(commands_of "$beginning") ]] || { echo "no page says $beginning"; return 1; }
        while IFS=$'\t' read -r page command; do
            passes "$page: $command" as_written "$command" </dev/null
        done < <(commands_of "$beginning")
    done
}

# A browser's way to the page, as docs/page.md says, with a ServiceAccount's token: the admin has none.
open_page() {
    local command
    kubectl create serviceaccount you -n "$namespace" >/dev/null
    kubectl create rolebinding you -n "$namespace" --clusterrole view --serviceaccount "$namespace:you" >/dev/null
    command=$(commands_of "kubectl bitbucket open" | cut -f 2)
    start open nsenter --target "$node" --net -- env PATH="${BITBUCKET_SIMULATOR%/*}:$bin:$PATH" bash -c \
        "exec $command --no-browser --namespace $namespace --operator-namespace $namespace --service-account you"
    # The address lets one browser in, once, and leads it on.
    page=$(browse --write-out '%{redirect_url}' "$(first_line open 30)")
    [[ $page ]]
}

# Usage: browse CURL'S ARGUMENTS
browse() {
    on_node curl --silent --show-error --noproxy '*' --cookie-jar "$dir/cookies" --cookie "$dir/cookies" "$@"
}

page_shows_the_connection() {
    browse "$page" >"$dir/page.html"
    # What it says, where it is not that.
    sed -n 's/.*<title>\(.*\)<\/title>.*/\1/p; s/.*<span class="state [a-z]*">\([^<]*\).*/\1/p' "$dir/page.html"
    grep -q ">Ready<" "$dir/page.html" && grep -qF "/connections/$namespace/bitbucket" "$dir/page.html"
}
