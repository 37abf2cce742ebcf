#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# What `make check` runs: packages, lints, the release build, a QEMU with af-xdp, and every
# test of the workspace. Each stage says its time; what was skipped and what failed stands
# before the last line, which is `N passed, N failed`. With CI=true a skipped test counts as
# failed. The tests run as root: by sudo, if need be.
set -uo pipefail
. "$(dirname "$0")/common.sh"

cd "$(dirname "$0")/../.." || exit 1
HERE=tests/scripts
TARGET=${CARGO_TARGET_DIR:-target}
LIMIT=${XSK_TEST_LIMIT:-60m}
PASSED=0 FAILED=0
TROUBLE=()

# Ends the run: the troubles by name, then the line that others read.
finish() {
    local name
    for name in "${TROUBLE[@]}"; do
        echo "FAILED: $name"
    done
    rm -rf "$SCRATCH"
    echo "$PASSED passed, $FAILED failed" | tee "$RESULT"
    [ "$FAILED" -eq 0 ]
    exit
}

trouble() {
    TROUBLE+=("$1")
    FAILED=$((FAILED + 1))
}

# stage NAME COMMAND...: timed; a failure is noted, and returned.
stage() {
    local name=$1 start=$SECONDS status=0
    shift
    printf '\n== %s\n' "$name"
    ("$@") </dev/null || status=$?
    printf '== %s: %s after %d s\n' "$name" "$([ "$status" -eq 0 ] && echo ok || echo FAILED)" \
        $((SECONDS - start))
    [ "$status" -eq 0 ] || trouble "$name"
    return "$status"
}

# ---- the stages -----------------------------------------------------------------------

packages() {
    as_root "$HERE/setup.sh" demo check && as_root "$HERE/qemu.sh" --packages &&
        "$HERE/setup.sh" build check
}

# An ordinary user has to reach the QEMU that he is to start, and root's home is closed to
# him: the tests get a copy.
qemu() {
    local binary
    binary=$("$HERE/qemu.sh" | tail -n 1) && [ -x "$binary" ] || return 1
    cp -a "$(dirname "$binary")/.." "$SCRATCH/qemu" && "$XSK_QEMU" --version
}

scripts() { shellcheck -x -S warning -P "$HERE" "$HERE"/*.sh .ci/run && "$HERE/columns.sh"; }

# cargo builds as whoever calls; only what it runs is given to root.
run_as_root() {
    is_root && return
    local host
    host=$(rustc -vV | sed -n 's/^host: //p' | tr 'a-z-' 'A-Z_')
    sudo -v || die "the tests need root: run \`make check\` as root"
    local variables="XSK_QEMU=$XSK_QEMU XSK_BIN_DIR=$XSK_BIN_DIR CI=${CI:-} PATH=$PATH"
    export "CARGO_TARGET_${host}_RUNNER=sudo -- env $variables"
}

tests() {
    local status=0 limit=(timeout -k 30 "$LIMIT")
    [ -t 1 ] && limit=(timeout --foreground -k 30 "$LIMIT")
    run_as_root
    "${limit[@]}" cargo test --workspace --locked --no-fail-fast -- --show-output \
        2>&1 | tee "$OUTPUT" | in_short || status=$?
    [ "$status" -ne 124 ] || echo "the tests did not end within $LIMIT"
    [ "$status" -eq 0 ] || told_by_failures "$OUTPUT"
    return "$status"
}

# in_short: the test programs with their counts, figures, and whatever is not well. All of it is in
# a log.
in_short() {
    grep --line-buffered -e '^  *\(Running\|Doc-tests\) ' -e '^test result: ' \
        -e '\.\.\. \(FAILED\|ignored\)' -e 'FIGURE: ' -e SKIPPED -e '^error' -e '^warning'
}

# told_by_failures LOG: what the tests that failed have said, as far as it fits on a page or two.
told_by_failures() {
    sed -n '/^failures:$/,/^test result: /p' "$1" | head -n 150
}

# ---- what the tests said ---------------------------------------------------------------

# sum WORD: over all lines `test result: ok. 3 passed; 0 failed; ...`, but for those of a test
# that ran a part of its own program again: they have tests filtered out.
sum() {
    awk -v word="$1;" '/^test result: .* 0 filtered out/ {
            for (i = 2; i <= NF; i++) if ($i == word) n += $(i - 1)
        }
        END { print n + 0 }' "$OUTPUT"
}

# skips: what the tests said of themselves, behind their name where nothing was captured.
skips() { sed -n 's/^\(test .* \.\.\. \)\?\(SKIPPED:.*\)/\2/p' "$OUTPUT" | sort -u; }

# failures: the tests, and the test programs that did not end well.
failures() {
    sed -n 's/^test \(.*\) \.\.\. FAILED$/\1/p; s/^    `\(-p .*\)`$/cargo test \1/p' "$OUTPUT"
}

# A run that failed has a failed test in it; if not, something broke before or around them.
count_tests() {
    local status=$1 failed line
    PASSED=$(sum passed)
    failed=$(sum failed)
    [ "$status" -eq 0 ] || [ "$failed" -gt 0 ] || trouble "cargo test (status $status)"
    FAILED=$((FAILED + failed))
    mapfile -t -O "${#TROUBLE[@]}" TROUBLE < <(failures)
    sed -n 's/^test \(.*\) \.\.\. ignored\(.*\)/!!! IGNORED: \1\2/p' "$OUTPUT"
    while read -r line; do
        echo "!!! $line"
        [ "${CI:-}" != true ] || trouble "$line"
    done < <(skips)
}

run_tests() {
    local status=0 start=$SECONDS
    printf '\n== tests\n'
    (tests) </dev/null || status=$?
    printf '== tests: %d s\n\n' $((SECONDS - start))
    count_tests "$status"
}

# A thousand rounds of it, where `cargo test` has some forty.
chaos() {
    local status=0
    LIMIT=20m "$HERE/chaos.sh" 2>&1 | tee "$TARGET/chaos.log" | in_short || status=$?
    [ "$status" -eq 0 ] || told_by_failures "$TARGET/chaos.log"
    return "$status"
}

run_chaos() {
    stage "chaos" chaos
    PASSED=$((PASSED + $(OUTPUT=$TARGET/chaos.log sum passed)))
}

# run_vm NAME SCRIPT: tests in VMs, with other kernels than this one; the script's last line is
# counted.
run_vm() {
    local status=0 start=$SECONDS log=$TARGET/${2%.sh}.log counts
    printf '\n== %s\n' "$1"
    (as_root env XSK_BIN_DIR="$XSK_BIN_DIR" XSK_QEMU="$XSK_QEMU" CARGO_TARGET_DIR="$TARGET" \
        "$HERE/$2") </dev/null 2>&1 |
        tee "$log" || status=$?
    printf '== %s: %d s\n' "$1" $((SECONDS - start))
    counts=$(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$log" | tail -n 1)
    [ -n "$counts" ] || { trouble "$1 (status $status)" && return; }
    PASSED=$((PASSED + ${counts% *}))
    FAILED=$((FAILED + ${counts#* }))
    mapfile -t -O "${#TROUBLE[@]}" TROUBLE < <(
        sed -n "s/^test \(.*\) \.\.\. FAILED$/\1 ($1)/p" "$log"
    )
}

# The packages are tested in a Debian of their own, once they are there.
run_packages() {
    stage "Debian packages" debs && run_vm "the packages in a VM" package-vm.sh
}

debs() { "$TARGET/release/xsk-pages" "$TARGET/release/share" && "$HERE/deb.sh"; }

tree() { git status --porcelain --untracked-files=all 2>/dev/null || true; }

tree_is_as_before() {
    [ "$(tree)" = "$BEFORE" ] && return
    echo "the run has changed the work tree:"
    diff <(echo "$BEFORE") <(tree)
    return 1
}

# The crate with the guest's memory. A stable compiler takes -Z flags only so; without --target the
# sanitizer would be in what runs at build time too.
sanitized() {
    RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address cargo test --locked -q -p xsk-vhost --lib \
        --target "$(rustc -vV | sed -n 's/^host: //p')" --target-dir "$TARGET/asan"
}

# The feature for distributions that allow it: libelf and zlib in the program.
static_helper() {
    local folder
    folder=/usr/lib/$(gcc -dumpmachine)
    if nm -u "$folder/libelf.a" 2>/dev/null | grep -q ZSTD_; then
        echo "not built: this libelf.a wants libzstd as well"
        return
    fi
    LIBBPF_SYS_LIBRARY_PATH=$folder cargo build --locked -p xsk-helper --features static \
        --target-dir "$TARGET/static" || return
    ! ldd "$TARGET/static/debug/xsk-helper" | grep 'libelf\|libz'
}

demo() { GUEST=1 "$HERE/demo.sh" --built "$TARGET/release"; }

# Built from the same programs; there is no system here to install them on.
rpms() { "$HERE/rpm.sh"; }

# ---- the run --------------------------------------------------------------------------

SCRATCH=$(mktemp -d /tmp/xsk-check.XXXXXX)
chmod 755 "$SCRATCH"
trap 'rm -rf "$SCRATCH"; exit 130' INT TERM HUP
mkdir -p "$TARGET"
OUTPUT=$TARGET/check.log RESULT=$TARGET/check.result
: >"$OUTPUT"
rm -f "$RESULT"
BEFORE=$(tree)

stage "packages" packages || finish
stage "build" cargo build --release --locked --workspace || finish
stage "C library" cargo build --profile capi --locked -p xsk-capi
stage "format" cargo fmt --all --check
stage "lints" cargo clippy --workspace --all-targets --locked -- -D warnings
stage "scripts" scripts
# The programs under test are the release build; the tests themselves need no optimising.
install -D -t "$SCRATCH/bin" "$TARGET"/release/xsk-{helper,helper-admin,client,backend}
export XSK_BIN_DIR=$SCRATCH/bin
export XSK_QEMU=$SCRATCH/qemu/bin/qemu-system-x86_64
stage "QEMU with af-xdp" qemu
stage "a helper that stops" cargo build --locked -p xsk-helper --features failpoints \
    --target-dir "$TARGET/failpoints"
stage "a helper with libelf and zlib inside" static_helper
stage "vhost under the address sanitizer" sanitized
run_tests
stage "demonstration" demo
run_chaos
run_vm "VMs" vm.sh
run_packages
stage "RPM packages" rpms
[ "${CI:-}" != true ] || stage "work tree" tree_is_as_before
finish
