#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Debian packages of this tree, from packaging/debian. They are built in a copy of the tree, from
# the release binaries that `make build` made; with FROM_SOURCE=1 the package's own rules run cargo
# instead, as Debian would. VERSION= makes packages of another version, to try an upgrade with. The
# last lines of the output are the paths of the packages; what lintian says stands before.
set -euo pipefail
. "$(dirname "$0")/common.sh"

cd "$(dirname "$0")/../.."
HERE=tests/scripts
TARGET=${CARGO_TARGET_DIR:-target}
mkdir -p "$TARGET"
TARGET=$(cd "$TARGET" && pwd)
OUT=${OUT:-$TARGET/deb}
VERSION=${VERSION:-}
LOG=$TARGET/deb.log

as_root "$HERE/setup.sh" deb

# At the head of the copy's changelog, so that dpkg takes it for the newest.
set_version() {
    [ -n "$VERSION" ] || return 0
    sed -i "1s/(.*)/($VERSION)/" "$1/debian/changelog"
}

# Which cargo there is was looked at before, and it need not be a package: so dpkg does not ask
# (-d).
build() {
    cd "$1"
    dpkg-buildpackage --build=binary --no-sign -d
}

# What was built before, if that is to be used: the programs, and their pages and completions.
built() {
    [ -z "${FROM_SOURCE:-}" ] || return 0
    export XSK_BUILT=$TARGET/release
    [ -x "$XSK_BUILT/xsk-pages" ] ||
        die "$XSK_BUILT has no xsk-pages: make build (or FROM_SOURCE=1)"
    "$XSK_BUILT/xsk-pages" "$XSK_BUILT/share"
    packaging/sbom.sh "$XSK_BUILT/share"
}

# How exposed systemd takes our services to be, of 10.0; more than 2.0 is a failure.
exposure() {
    local unit said status
    for unit in packaging/systemd/*.service; do
        status=0
        said=$(systemd-analyze security --offline=yes --threshold=20 --no-pager "./$unit" 2>&1) ||
            status=$?
        tail -n 1 <<<"$said"
        [ "$status" -eq 0 ] || {
            echo "$said" >&2 && die "the sandbox of $unit is not tight enough"
        }
    done
}

main() {
    local scratch status=0
    scratch=$(mktemp -d "$TARGET/deb-build.XXXXXX")
    # shellcheck disable=SC2064 # now, since it is local
    trap "rm -rf '$scratch'" EXIT
    copy_tree "$scratch/tree"
    cp -a "$scratch/tree/packaging/debian" "$scratch/tree/debian"
    set_version "$scratch/tree"
    built
    : >"$LOG"
    (step "packages" quietly build "$scratch/tree")
    rm -rf "$OUT"
    mkdir -p "$OUT"
    mv "$scratch"/*.{deb,changes,buildinfo} "$OUT"
    exposure
    lintian --allow-root --fail-on error "$OUT"/*.changes || status=$?
    [ "$status" -eq 0 ] || die "lintian finds errors"
    say "lintian finds no errors"
    ls "$OUT"/*.deb
}

main
