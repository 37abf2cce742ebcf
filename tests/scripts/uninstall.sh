#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# What `make uninstall` runs. It installs this tree once more below a scratch folder, and removes
# from DESTDIR what it finds there, so that no second list of files has to be kept. The policy goes
# only if it is still the one that was installed, and a folder only if it is empty.
set -euo pipefail
. "$(dirname "$0")/common.sh"

cd "$(dirname "$0")/../.."
DESTDIR=${DESTDIR:-}
PREFIX=${PREFIX:-/usr}
LIBDIR=${LIBDIR:-$PREFIX/lib}
POLICY=etc/xsk-helper/policy.toml

# A unit without its program would fail at the next connection.
if [ -z "$DESTDIR" ] && systemctl --quiet is-enabled xsk-helper.socket 2>/dev/null; then
    die "xsk-helper.socket is enabled; first: systemctl disable --now xsk-helper.socket"
fi

# The paths that an installation has, relative to its root; find(1) tests narrow the choice.
installed() { (cd "$STAGED" && find . -mindepth 1 -depth "$@" -printf '%P\n'); }

remove_files() {
    local path
    while IFS= read -r path; do
        rm -f "$DESTDIR/$path"
    done < <(installed ! -type d ! -path "./$POLICY")
    if cmp -s "$STAGED/$POLICY" "$DESTDIR/$POLICY"; then
        rm "$DESTDIR/$POLICY"
    elif [ -e "$DESTDIR/$POLICY" ]; then
        say "$DESTDIR/$POLICY was edited and stays"
    fi
}

remove_folders() {
    local path
    while IFS= read -r path; do
        rmdir --ignore-fail-on-non-empty "$DESTDIR/$path" 2>/dev/null || true
    done < <(installed -type d)
}

STAGED=$(mktemp -d)
trap 'rm -rf "$STAGED"' EXIT
quietly make --no-print-directory install DESTDIR="$STAGED" PREFIX="$PREFIX" LIBDIR="$LIBDIR" \
    RELEASE="$RELEASE" ||
    die "without what was installed it is not known what to remove: build the same version first"
remove_files
remove_folders
