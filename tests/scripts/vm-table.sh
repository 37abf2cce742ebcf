# SPDX-License-Identifier: MIT OR Apache-2.0
# shellcheck shell=bash
# The table kernel by feature of docs/kernels.md, from what the tests said in the VMs as
# `FEATURE: name: value`. Sourced by vm.sh, after common.sh.

FEATURES=("native on veth" "native on virtio-net" "frags" "device confinement" "bind guard"
    "netdev netlink" "raised memlock" "zero-copy")
TABLE_BEGIN="<!-- seen by make vm: begin -->" TABLE_END="<!-- seen by make vm: end -->"

table_head() {
    local feature
    printf '| kernel |'
    printf ' %s |' "${FEATURES[@]}"
    printf ' version |\n|---|'
    for feature in "${FEATURES[@]}"; do
        printf -- '---|'
    done
    printf -- '---|\n'
}

# cell LOG FEATURE: all that was said of it.
cell() {
    sed -n "s/.*FEATURE: $2: \(.*\)/\1/p" "$1" | sort -u | paste -sd ';' | sed 's/;/, /g; s/^$/-/'
}

# table_row MACHINE LOG
table_row() {
    local feature version
    version=$(sed -n 's/^kernel \([^ ,]*\),.*/\1/p' "$2" | head -n 1)
    printf '| %s |' "${1/-nolsm/ without the BPF LSM}"
    for feature in "${FEATURES[@]}"; do
        printf ' %s |' "$(cell "$2" "$feature")"
    done
    printf ' %s |\n' "$version"
}

# documented DOCUMENT: the rows between the marks, without the head.
documented() { sed -n "/^$TABLE_BEGIN/,/^$TABLE_END/p" "$1" | sed -n '/^| kernel/d; /^| /p'; }

row_of() { awk -F ' *[|] *' -v name="$1" '$2 == name'; }

without_version() { sed 's/ [^|]* |$//'; }

name_of() { awk -F ' *[|] *' '{ print $2 }'; }

# table_compare DOCUMENT ROWS: says loudly where it tells something else; versions come and go.
table_compare() {
    local row name old
    while read -r row; do
        name=$(name_of <<<"$row")
        old=$(documented "$1" | row_of "$name")
        [ "$(without_version <<<"$old")" = "$(without_version <<<"$row")" ] && continue
        say "!!! $1 does not say what was seen here (make vm TABLE=$1 writes it):"
        say "!!!   there: ${old:-no row for $name}"
        say "!!!   seen:  $row"
    done <<<"$2"
}

# table_write DOCUMENT ROWS: puts them in the place of those of the same name.
table_write() {
    local rows=$2 row
    while read -r row; do
        [ -z "$row" ] || [ -n "$(row_of "$(name_of <<<"$row")" <<<"$2")" ] || rows+=$'\n'$row
    done < <(documented "$1")
    rows=$(sort -t '|' -k 2,2V <<<"$rows")
    {
        sed "/^$TABLE_BEGIN/q" "$1" && table_head && echo "$rows" &&
            sed -n "/^$TABLE_END/,\$p" "$1"
    } >"$1.new"
    mv "$1.new" "$1"
}
