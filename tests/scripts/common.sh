# SPDX-License-Identifier: MIT OR Apache-2.0
# shellcheck shell=bash
# What the scripts of this folder share: messages, timed steps, and packages.
# Sourced by bash, after `set -euo pipefail`. Messages go to standard error, so that
# standard output is free for what a script answers.

ME=${0##*/}

# An ordinary user's PATH lacks these, and sudo gets his.
export PATH="$PATH:/usr/sbin:/sbin"

say() { printf '%s: %s\n' "$ME" "$*" >&2; }

die() {
    say "$*"
    exit 1
}

# step NAME COMMAND...: runs it, and says how long it took. A failure is named.
step() {
    local name=$1 start=$SECONDS
    shift
    say "$name ..."
    "$@" || die "$name failed after $((SECONDS - start)) s"
    say "$name: $((SECONDS - start)) s"
}

# quietly COMMAND...: keeps the output in $LOG, if set, and shows its end only on failure.
quietly() {
    local status=0 log=${LOG:-}
    [ -n "$log" ] || log=$(mktemp)
    "$@" >>"$log" 2>&1 </dev/null || status=$?
    [ "$status" -eq 0 ] || tail -n 40 "$log" >&2
    [ -n "${LOG:-}" ] || rm -f "$log"
    return "$status"
}

# as_root COMMAND...: with sudo where that is needed and there.
as_root() {
    if is_root; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo -- env PATH="$PATH" HOME="$HOME" "$@"
    else
        die "this needs root, and there is no sudo: run as root: $*"
    fi
}

is_root() { [ "$(id -u)" -eq 0 ]; }

# Whether as_root can work.
may_be_root() { is_root || command -v sudo >/dev/null; }

has_apt() { command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; }

# missing_packages NAME...: those that dpkg does not have installed, one a line.
missing_packages() {
    comm -23 <(printf '%s\n' "$@" | sort -u) <(
        dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
            sed -n 's/^installed //p' | sort -u
    )
}

# apt_get ARGUMENT...: apt-get as root, quietly. If another apt is at work, it waits for that:
# apt-get itself waits for dpkg's lock only, and fails where its lists or its archives are locked.
apt_get() {
    local log status told='' patience=${XSK_APT_WAIT:-600}
    local deadline=$((SECONDS + patience))
    log=$(mktemp)
    while :; do
        status=0
        as_root env LC_ALL=C DEBIAN_FRONTEND=noninteractive \
            apt-get -q -o DPkg::Lock::Timeout="$patience" "$@" \
            >"$log" 2>&1 </dev/null || status=$?
        [ "$status" -ne 0 ] && [ "$SECONDS" -lt "$deadline" ] &&
            grep -q 'Could not get lock' "$log" || break
        [ -n "$told" ] || say "another apt is at work; waiting for it"
        told=1
        sleep 2
    done
    [ "$status" -eq 0 ] || tail -n 40 "$log" >&2
    [ -z "${LOG:-}" ] || cat "$log" >>"$LOG"
    rm -f "$log"
    return "$status"
}

# The lists are fetched once a run, and only if something is to be installed at all.
apt_update() {
    [ -z "${APT_UPDATED:-}" ] || return 0
    APT_UPDATED=1
    apt_get update || die "apt-get update failed: are the network and /etc/apt/sources* in order?"
}

# need_packages NAME...: installs what is missing, by sudo if need be; if it cannot, it says what is
# missing.
need_packages() {
    local missing
    has_apt || die "there is no apt-get here; please install what these Debian packages hold: $*"
    mapfile -t missing < <(missing_packages "$@")
    [ "${#missing[@]}" -gt 0 ] || return 0
    may_be_root || die "packages are missing; as root: apt-get install ${missing[*]}"
    apt_update
    say "installing ${missing[*]}"
    apt_get -y --no-install-recommends install "${missing[@]}" ||
        die "apt-get could not install: ${missing[*]}"
}

# copy_tree DIR: the files of the tree that is the working directory, without what was built.
copy_tree() {
    local file
    mkdir -p "$1"
    if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
        git ls-files -z --cached --others --exclude-standard | while IFS= read -rd '' file; do
            [ ! -e "$file" ] || printf '%s\0' "$file"
        done
    else
        find . -path ./target -prune -o -type f -print0
    fi | tar -c --null -T - | tar -x -C "$1"
}
