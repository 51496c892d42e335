# shellcheck shell=bash
# The git repositories that the demo serves: this one, and made up ones or those in REPOS. Sourced by demo.sh.

# Usage: make_history FOLDER COMMITS odd|long
# "odd" is what real servers hold and simple code gets wrong: merges, octopus merges, commits without message, authors
# without mail, equal timestamps, a branch that was never merged. "long" is many pages of plain commits.
make_history() {
    local folder=$1 commits=$2 kind=$3
    git init --quiet --bare --initial-branch main "$folder"
    # LC_ALL: names are written as bytes, whatever awk this is.
    LC_ALL=C awk -v commits="$commits" -v odd="$([[ $kind == odd ]] && echo 1)" '
        function person(n) {
            if (odd && n % 7 == 0) return "Zoë Ångström <zoe@example.com>"
            if (odd && n % 11 == 0) return "山田 太郎 <taro@example.com>"
            if (odd && n % 13 == 0) return "build bot <>"
            return "Developer " n % 23 " <dev" n % 23 "@example.com>"
        }
        function commit(branch, from, merged, message,    time) {
            mark++
            time = 1700000000 + int(mark / (odd ? 6 : 1)) * 1000
            printf "commit refs/heads/%s\nmark :%d\n", branch, mark
            printf "author %s %d +0200\ncommitter %s %d -0730\n", person(mark), time - 50, person(mark + 1), time
            printf "data %d\n%s\n", length(message), message
            if (from) printf "from :%d\n", from
            printf "%s\n", merged
            return mark
        }
        BEGIN {
            main = commit("main", 0, "", "Begin")
            while (mark < commits) {
                message = odd && mark % 17 == 0 ? "" : "Change " mark "\n\nWith a body; \"quotes\", commas, ünïcode.\n"
                if (odd && mark % 10 == 0 && mark + 4 <= commits) {
                    base = main
                    merged = ""
                    sides = mark % 50 == 0 ? 3 : 1
                    for (side = 1; side <= sides; side++)
                        merged = merged "merge :" commit("side" side, base, "", "Side " mark) "\n"
                    message = "Merge " sides
                    main = commit("main", main, merged, message)
                } else
                    main = commit("main", main, "", message)
            }
            if (odd) commit("unmerged", main, "", "Not on the default branch")
        }' | git -C "$folder" fast-import --quiet
}

# Usage: serve FOLDER
# A copy, so that the default branch can be chosen and a push during the demo hurts nobody.
serve() {
    local source=$1 slug copy
    slug=$(basename "$(cd "$source" && pwd)" .git | tr '[:upper:]' '[:lower:]' | tr -c 'a-z0-9._\n' '-')
    [[ $source == "$root" ]] && slug=bitbucket-connector
    while [[ -e $dir/git/$slug ]]; do slug+=-again; done
    copy=$dir/git/$slug
    if [[ $(git -C "$source" rev-parse --is-shallow-repository) == true ]]; then
        # The oldest commits name parents that are not there, which no server ever does. Exported and imported they
        # have none; the ids are new, and git is asked about those.
        git init --quiet --bare --initial-branch main "$copy"
        git -C "$source" fast-export --signed-tags=strip HEAD |
            sed -e 's|^commit HEAD$|commit refs/heads/main|' -e 's|^reset HEAD$|reset refs/heads/main|' |
            git -C "$copy" fast-import --quiet
    else
        git clone --quiet --bare "$source" "$copy"
    fi
    # A checkout by a CI often has a detached HEAD.
    if ! git -C "$copy" symbolic-ref --quiet HEAD >/dev/null; then
        git -C "$copy" update-ref refs/heads/main HEAD
        git -C "$copy" symbolic-ref HEAD refs/heads/main
    fi
    repositories+=("DEMO/$slug=$copy")
    printf '  %-28s %6d commits\n' "DEMO/$slug" "$(git -C "$copy" rev-list --count HEAD)"
}

choose_repositories() {
    local one
    # Neither this machine's configuration nor the owner of a checkout shall make a difference.
    printf '[safe]\n\tdirectory = *\n' >"$dir/gitconfig"
    export GIT_CONFIG_GLOBAL=$dir/gitconfig GIT_CONFIG_NOSYSTEM=1
    mkdir "$dir/git" "$dir/made"
    serve "$root"
    if [[ ${REPOS:-} ]]; then
        for one in $REPOS; do serve "$one"; done
    else
        make_history "$dir/made/odd" 1200 odd
        make_history "$dir/made/long" 5000 long
        serve "$dir/made/odd"
        serve "$dir/made/long"
    fi
}
