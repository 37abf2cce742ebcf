#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# RPM packages of this tree by Debian's rpmbuild, from the release binaries that `make build` made;
# and the SELinux module compiled. The last lines of the output are the paths of the packages.
# Neither is tried on a system of that kind: what is tested is that they build, and hold every
# file that is installed.
set -euo pipefail
. "$(dirname "$0")/common.sh"

cd "$(dirname "$0")/../.."
HERE=tests/scripts
TARGET=${CARGO_TARGET_DIR:-target}
mkdir -p "$TARGET"
TARGET=$(cd "$TARGET" && pwd)
OUT=$TARGET/rpm
VERSION=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)

as_root "$HERE/setup.sh" rpm
[ -x "$TARGET/release/xsk-pages" ] || die "nothing is built yet: make build"

SCRATCH=$(mktemp -d "$TARGET/rpm-build.XXXXXX")
trap 'rm -rf "$SCRATCH"' EXIT

# rpmbuild unpacks the tree as a tar file.
sources() {
    copy_tree "$SCRATCH/xsk-helper-$VERSION"
    mkdir -p "$SCRATCH/SOURCES"
    tar -C "$SCRATCH" -czf "$SCRATCH/SOURCES/xsk-helper-$VERSION.tar.gz" "xsk-helper-$VERSION"
}

# Debian's rpm knows nothing of what is installed here, so the packages to build with are not asked
# for.
packages() {
    rpmbuild -bb --nodeps --quiet --define "_topdir $SCRATCH" --define "built $TARGET/release" \
        --define "version_of_tree $VERSION" --define "_libdir /usr/lib64" \
        packaging/rpm/xsk-helper.spec
}

selinux() {
    cp packaging/selinux/* "$SCRATCH"
    checkmodule -M -m -o "$SCRATCH/xsk_helper.mod" "$SCRATCH/xsk_helper.te"
    semodule_package -o "$SCRATCH/xsk_helper.pp" -m "$SCRATCH/xsk_helper.mod" \
        -f "$SCRATCH/xsk_helper.fc"
    [ -s "$SCRATCH/xsk_helper.pp" ]
}

"$TARGET/release/xsk-pages" "$TARGET/release/share"
packaging/sbom.sh "$TARGET/release/share"
step "SELinux module" quietly selinux
quietly sources
step "RPM packages" quietly packages
rm -rf "$OUT"
mkdir -p "$OUT"
find "$SCRATCH/RPMS" -name '*.rpm' -exec mv -t "$OUT" {} +
ls "$OUT"/*.rpm
