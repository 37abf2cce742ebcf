#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# A lint: prose, shell and comments have at most 100 columns. Tables, code blocks and lines with a
# URL are exempt, and so is code, whose width is a formatter's affair. Names each line that is
# longer.
set -euo pipefail
export LC_ALL=C.UTF-8

cd "$(dirname "$0")/../.."
LONG='^.{101,}'

# files PATTERN...: of the tree, without what was built.
files() {
    local names=() name
    for name in "$@"; do
        names+=(-o -name "$name")
    done
    find . \( -name target -o -name .git \) -prune -o -type f \( "${names[@]:1}" \) -print | sort
}

# prose FILE: the file with an empty line for each that is exempt.
prose() {
    awk '/^ *```/ { fenced = !fenced; print ""; next }
        fenced || /^ *\|/ || /^    / || /:\/\// { print ""; next }
        { print }' "$1"
}

# In Markdown a long line of an item may begin with its indentation.
documents() {
    local file
    while IFS= read -r file; do
        prose "$file" | grep -nE "$LONG" | sed "s|^|$file:|" || true
    done < <(files '*.md' '*.README.Debian')
}

# comments SIGN PATTERN...: lines of these files that are comments.
comments() {
    local sign=$1
    shift
    files "$@" | xargs -d '\n' grep -HnE "$LONG" | grep -E "^[^:]*:[0-9]+:[[:space:]]*$sign" |
        grep -vE '[a-z]://|//[/!] \|' || true
}

# whole FILE...: every line.
whole() { grep -HnE "$LONG" "$@" | grep -vE '[a-z]://' || true; }

scripts() {
    mapfile -t found < <(files '*.sh' '*.prerm' '*.postrm' Makefile rules | grep -v '^\./fuzz/')
    whole ./.ci/run "${found[@]}"
}

units() {
    mapfile -t found < <(find ./packaging -type f ! -path '*/pages/*' ! -name '*.md' \
        ! -name '*.policy' ! -name '*.README.Debian')
    whole "${found[@]}" | grep -E '^[^:]*:[0-9]+:[[:space:]]*#' || true
}

long=$(
    documents
    comments // '*.rs' '*.c' '*.h' '*.go'
    comments '#' '*.py' '*.toml'
    scripts
    units
)
[ -z "$long" ] || {
    printf '%s\n' "$long" | cut -c 1-160
    echo "columns.sh: $(wc -l <<<"$long") lines are longer than 100 columns" >&2
    exit 1
}
