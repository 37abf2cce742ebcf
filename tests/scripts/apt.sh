# SPDX-License-Identifier: MIT OR Apache-2.0
# shellcheck shell=bash
# Packages and sources of other Debian releases, without a change to the machine's own
# configuration: an apt with folders of its own, on the machine's own mirror. Sourced by bash,
# after common.sh.

# field NAME: of the index target on standard input.
field() { sed -n "s/^$1: //p"; }

# The first Debian archive among the machine's own sources, as apt itself understands them.
own_target() {
    apt-get indextargets 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | sed '/^$/q'
}

# signed_by FILE:NUMBER: the Signed-By of that entry, as lines of a deb822 stanza. The number
# is a line in a .list file and a stanza in a .sources file.
signed_by() {
    local file=${1%:*} number=${1##*:}
    case $file in
    *.sources)
        awk -v RS= -v n="$number" 'NR == n' "$file" |
            awk 'tolower($1) == "signed-by:" { on = 1; print; next }
                /^[ \t]/ && on { print; next }
                { on = 0 }'
        ;;
    *) sed -n "${number}s/.*[[ ]signed-by=\([^] ]*\).*/Signed-By: \1/p" "$file" ;;
    esac
}

own_target_or_update() {
    local target
    target=$(own_target)
    [ -n "$target" ] || { apt_update && target=$(own_target); }
    [ -n "$target" ] || die "apt knows no Debian archive: /etc/apt/sources* needs one"
    echo "$target"
}

mirror() { own_target_or_update | field Repo-URI; }

# make_apt DIR TYPE SUITES: DIR/conf for APT_CONFIG, which knows TYPE (deb, deb-src) of SUITES
# alone.
make_apt() {
    local dir=$1 type=$2 suites=$3 target
    target=$(own_target_or_update)
    mkdir -p "$dir"/{lists,cache/archives,parts}/partial
    cat >"$dir/parts/source.sources" <<EOF
Types: $type
URIs: $(field Repo-URI <<<"$target")
Suites: $suites
Components: main
$(signed_by "$(field Sourcesentry <<<"$target")")
EOF
    cat >"$dir/conf" <<EOF
Dir::State::Lists "$dir/lists";
Dir::Cache "$dir/cache";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$dir/parts";
APT::Sandbox::User "root";
Acquire::Retries "3";
EOF
}
