#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# sbom.sh DIR: writes what is linked into each installed program to
# DIR/doc/PACKAGE/PROGRAM.spdx.json (SPDX 2.3), from what cargo resolved. The same tree gives the
# same bytes.
set -euo pipefail

cd "$(dirname "$0")/.."
DIR=$1
VERSION=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
SECONDS_OF_TREE=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
WHEN=$(date -u -d "@$SECONDS_OF_TREE" +%Y-%m-%dT%H:%M:%SZ)

# The crates of a package: name, version and licence, one a line.
crates() {
    cargo tree --locked --prefix none -e normal -f '{p}	{l}' -p "$1" |
        sed 's/ (\*)$//; s/ ([^)]*)	/	/; s/ v\([^ 	]*\)	/	\1	/' | sort -u
}

# sbom CRATE PACKAGE: the document, of a program that has the name of its crate or another one.
sbom() {
    local program=${3:-$1}
    mkdir -p "$DIR/doc/$2"
    crates "$1" | jq -R -n --arg name "$program" --arg version "$VERSION" --arg when "$WHEN" '
        def id: "SPDXRef-" + gsub("[^A-Za-z0-9.-]"; "-");
        [inputs | split("\t") | {name: .[0], version: .[1], license: (.[2] // "")}] as $crates | {
            spdxVersion: "SPDX-2.3", dataLicense: "CC0-1.0", SPDXID: "SPDXRef-DOCUMENT",
            name: "\($name)-\($version)",
            documentNamespace: "https://spdx.org/spdxdocs/\($name)-\($version)",
            creationInfo: {created: $when, creators: ["Tool: xsk-helper-sbom"]},
            packages: [$crates[] | {
                SPDXID: ("\(.name)-\(.version)" | id), name, versionInfo: .version,
                licenseDeclared: (
                    if .license == "" then "NOASSERTION" else .license end | gsub("/"; " OR ")
                ),
                downloadLocation: "NOASSERTION", filesAnalyzed: false,
                externalRefs: [{referenceCategory: "PACKAGE-MANAGER", referenceType: "purl",
                    referenceLocator: "pkg:cargo/\(.name)@\(.version)"}]}],
            relationships: [$crates[] | {
                spdxElementId: "SPDXRef-DOCUMENT", relationshipType: "DESCRIBES",
                relatedSpdxElement: ("\(.name)-\(.version)" | id)}]
        }' >"$DIR/doc/$2/$program.spdx.json"
}

sbom xsk-helper xsk-helper
sbom xsk-helper-admin xsk-helper
sbom xsk-cli xsk-client xsk-client
sbom xsk-backend xsk-client
sbom xsk-capi libxskclient0 libxskclient
