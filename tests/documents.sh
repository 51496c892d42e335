# shellcheck shell=bash
# What README.md and docs/ tell people to type. Sourced by those that execute it, and set $root;
# tests/scenarios/documents/commands.rs says who executes what, and fails where nobody does.

# Usage: commands_of BEGINNING
# The commands of all pages that begin so, each on a line of its own, after its page and a tab.
commands_of() {
    (cd "${root:?is set by who sources this}" && awk -v beginning="$1" '
        FNR == 1 { open = 0 }
        /^```/ { wanted = !open && $0 == "```"; open = !open; next }
        !open || !wanted { next }
        { whole = line $0; line = "" }
        sub(/\\$/, "", whole) { line = whole; next }
        index(whole, beginning) == 1 { printf "%s\t%s\n", FILENAME, whole }
    ' README.md CONTRIBUTING.md docs/*.md charts/bitbucket-connector/README.md)
}

# Usage: values_of FOLDER
# The values that pages show for the chart, each block as a file.
values_of() {
    (cd "$root" && awk -v folder="$1" '
        FNR == 1 { open = 0 }
        /^```/ { open = !open; wanted = open && $0 == "```yaml"; first = wanted; next }
        !open || !wanted { next }
        first && /^[a-zA-Z]+:/ && !/^(apiVersion|spec|data):/ { file = folder "/" ++count ".yaml" }
        first && !/^[a-zA-Z]+:/ || first && /^(apiVersion|spec|data):/ { file = "" }
        { first = 0 }
        file { print > file }
    ' docs/*.md charts/bitbucket-connector/README.md)
}
