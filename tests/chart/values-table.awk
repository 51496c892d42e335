# The table of values.yaml, for the chart's README: a row for each value, and one for each group that has a comment.
BEGIN { print "| value | default | |\n|---|---|---|" }

/^ *#/ {
    sub(/^ *# ?/, "")
    comment = comment (comment == "" ? "" : " ") $0
    next
}

/^ *$/ { comment = "" }

/^ *[A-Za-z]+:/ {
    match($0, /^ */)
    depth = RLENGTH / 2
    line = substr($0, RLENGTH + 1)
    key[depth] = substr(line, 1, index(line, ":") - 1)
    value = substr(line, index(line, ":") + 2)
    path = key[0]
    for (i = 1; i <= depth; i++) path = path "." key[i]
    gsub(/\|/, "\\|", comment)
    if (value != "" || comment != "") print "| `" path "` | " (value == "" ? "" : "`" value "`") " | " comment " |"
    comment = ""
}
