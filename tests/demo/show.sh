# shellcheck shell=bash
# What a user sees. Sourced by demo.sh.

# Each connection of the demo with the Ready condition that it must come to.
expected="\
bitbucket True Synced
no-permission False invalid_permissions
nothing-visible False no_resources
wrong-password False invalid_credentials"

ready_conditions() {
    kubectl get bbc -n demo -o jsonpath='{range .items[*]}{.metadata.name} {.status.conditions[?(@.type=="Ready")].status} {.status.conditions[?(@.type=="Ready")].reason}{"\n"}{end}'
}

# What is known of a run under way; shown from its tenth second on.
progress() {
    kubectl get bbc -n demo bitbucket -o jsonpath='{.status.progress.repositoriesDone} of {.status.progress.repositoriesTotal} repositories, {.status.progress.commits} commits' |
        sed -n 's/^[0-9]/bitbucket is syncing: &/p'
}

show_log() {
    echo "The operator's log ends with:"
    tail -n 30 "$dir/operator.log"
}

# Usage: give_up WHY
give_up() {
    echo "$1 Expected:"
    sed 's/^/  /' <<<"$expected"
    echo "Found:"
    ready_conditions | sed 's/^/  /'
    kubectl describe bbc -n demo
    show_log
    return 1
}

# Usage: wait_until_settled SECONDS
# Prints what is new, and gives up when nothing is for so long: large repositories take their time.
wait_until_settled() {
    local patience=$1 began=$SECONDS changed=$SECONDS now="" seen="" line
    while now=$(ready_conditions) && [[ $now != "$expected" ]]; do
        now+=$'\n'$(progress)
        if [[ $now != "$seen" ]]; then
            { grep -vxF -e "$seen" <<<"$now" || true; } | while IFS= read -r line; do
                [[ -z $line || $line == *' ' ]] || printf '  %3d s  %s\n' $((SECONDS - began)) "$line"
            done
            seen=$now
            changed=$SECONDS
        elif ((SECONDS - changed > patience)); then
            give_up "Nothing has changed for $patience s."
        fi
        kill -0 "${pids[-1]}" 2>/dev/null || give_up "The operator has ended."
        sleep 0.2
    done
    printf '  %3d s  all as expected\n' $((SECONDS - began))
}

show_conditions() {
    local name
    while read -r name _; do
        printf '\n  %s\n' "$name"
        kubectl get bbc -n demo "$name" -o jsonpath='{range .status.conditions[*]}{.type}={.status} {.reason}: {.message}{"\n"}{end}' |
            sed 's/^/    /'
    done <<<"$expected"
}

query() {
    "$BITBUCKET_CONNECTOR" query --database "sqlite://$database" "$@"
}

show_rows() {
    query "SELECT repository, state, substr(head, 1, 12) AS head, complete, checked_at FROM bitbucket_repository_freshness" |
        sed 's/^/  /'
    echo
    query "SELECT substr(sha, 1, 12) AS sha, created, u.name AS author, substr(message, 1, 50) AS message
        FROM bitbucket_server_repository_default_branch_commits c LEFT JOIN bitbucket_server_users u ON u.id = c.author_id
        ORDER BY created DESC LIMIT 5" | sed 's/^/  /'
}

# Usage: compare KEY/SLUG FOLDER
# The stored set of ids beside that of git.
compare() {
    local repository=$1 folder=$2 slug=${1#*/} verdict=equal
    query --output csv "SELECT c.sha FROM bitbucket_server_repository_default_branch_commits c
        JOIN bitbucket_server_repositories r ON r.id = c.repository_id
        JOIN bitbucket_server_projects p ON p.id = r.project_id
        WHERE p.key || '/' || r.slug = '$repository'" | tail -n +2 | sort >"$dir/$slug.stored"
    git -C "$folder" rev-list HEAD | sort >"$dir/$slug.git"
    # An empty set is equal to another one and shows nothing.
    if [[ ! -s $dir/$slug.git ]] || ! cmp -s "$dir/$slug.stored" "$dir/$slug.git"; then
        verdict=DIFFERENT
    fi
    printf '  %-28s %8d %8d  %s\n' "$repository" "$(wc -l <"$dir/$slug.stored")" \
        "$(git -C "$folder" rev-list --count HEAD)" "$verdict"
    if [[ $verdict != equal ]]; then
        comm -3 "$dir/$slug.stored" "$dir/$slug.git" | head -n 5 | sed 's/^/      only one side has /'
        return 1
    fi
}

# What a person needs to go on with a demo that was left running.
print_how_to_look_around() {
    # So that nobody has to say where.
    kubectl config set-context --current --namespace demo >/dev/null
    cat >"$dir/end.sh" <<END
kill ${pids[*]} 2>/dev/null
while kill -0 ${pids[0]} 2>/dev/null; do sleep 0.2; done
rm -rf '$dir'
END
    cat <<END

It is left running. To look around:

  export KUBECONFIG=$KUBECONFIG PATH=$bin:${BITBUCKET_CONNECTOR%/*}:\$PATH
  kubectl get bbc -o wide
  kubectl describe bbc bitbucket
  kubectl bitbucket sync bitbucket
  kubectl patch secret wrong-password --patch "{\"data\": {\"password\": \"\$(kubectl get secret bitbucket -o jsonpath={.data.password})\"}}"
  $BITBUCKET_CONNECTOR query --database sqlite://$database "SELECT * FROM bitbucket_repository_freshness"
  kubectl bitbucket open --service-account you --address $page    # the page, in a browser
  curl -s $url/rest/api/1.0/application-properties
  tail -f $dir/operator.log

The repositories that Bitbucket serves are in $dir/git: a push to one of them arrives with the next sync.
To end it:

  sh $dir/end.sh
END
}
