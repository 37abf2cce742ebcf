#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# What `make demo` runs: the user nobody, without a capability, answers pings over AF_XDP. It
# all happens in network, mount and process namespaces of its own, with its own /etc and /run,
# so nothing of the machine is touched, and nothing can survive the script's end. The status
# is 0 only if every ping was answered and everything was cleaned up. With GUEST=1 a Linux guest of
# that user follows, which wants Debian's user-mode-linux.
set -euo pipefail
. "$(dirname "$0")/common.sh"

cd "$(dirname "$0")/../.."
# demo.sh [--built FOLDER]
BINARIES=${2:-${CARGO_TARGET_DIR:-target}/release}
BOX=/run/demo
ADDRESS=192.0.2.2
PINGS=10

GUEST=${GUEST:-}

title() { printf '\n== %s\n' "$*"; }

failed() {
    say "$*"
    [ ! -s "$BOX/backend.log" ] || sed 's/^/    /' "$BOX/backend.log" >&2
    exit 1
}

# ---- the box ----------------------------------------------------------------------------

# Private copies of what is written to: /run, and /etc for the policy and the two accounts.
make_folders() {
    mount -t tmpfs -o mode=755 demo-run /run
    mkdir -p "$BOX/etc" /run/lock
    cp -a /etc/. "$BOX/etc/"
    mount --bind "$BOX/etc" /etc
    getent group xsk >/dev/null || groupadd --system xsk
    getent passwd _xsk-helper >/dev/null ||
        useradd --system --user-group --no-create-home --shell /usr/sbin/nologin _xsk-helper
    # Setuid root, and only for the group xsk: the installation without systemd and polkit.
    install -m 4750 -o root -g xsk "$BINARIES/xsk-helper" "$BOX/xsk-helper"
    install -m 755 -t "$BOX" "$BINARIES/xsk-client" "$BINARIES/xsk-backend"
    install -d -m 755 /etc/xsk-helper
    rm -rf /etc/xsk-helper/policy.d
    install -m 644 /dev/stdin /etc/xsk-helper/policy.toml <<'EOF'
[[allow]]
users = [65534]
interfaces = ["eth1"]
EOF
}

# eth1 here, and its peer with an address of its own in a namespace beside this one.
make_cable() {
    ip netns add peer
    ip link add eth1 type veth peer name peer netns peer
    ip link set lo up
    ip link set eth1 up
    ip -n peer link set peer up
    ip -n peer address add 192.0.2.1/24 dev peer
}

# ---- who holds which capability -----------------------------------------------------------

# status PID FIELD: the first value of that line of /proc/PID/status.
status() { awk -v field="$2:" '$1 == field { print $2 }' "/proc/$1/status" 2>/dev/null; }

names() {
    local decoded
    decoded=$(capsh --decode="$1")
    decoded=${decoded#*=}
    [ "$(tr -cd , <<<"$decoded" | wc -c)" -lt 20 ] || decoded=all
    echo "${decoded:-none}"
}

row() { printf '  %-30s %-12s %-38s %s\n' "$@"; }

# holder WHO PID
holder() {
    row "$1 (pid $2)" "$(id -nu "$(status "$2" Uid)")" "$(names "$(status "$2" CapPrm)")" \
        "$(names "$(status "$2" CapEff)")"
}

# The helper is privileged for some milliseconds: whatever it shows meanwhile, written down.
# Each status is read in one piece, so that a line never mixes two moments.
watch_helper() {
    local dir name text
    local pattern='Uid:[[:space:]]+[0-9]+[[:space:]]+([0-9]+).*CapPrm:[[:space:]]+([0-9a-f]+)'
    pattern+='[[:space:]]+CapEff:[[:space:]]+([0-9a-f]+)'
    while :; do
        for dir in /proc/[0-9]*; do
            { read -r name <"$dir/comm"; } 2>/dev/null && [ "$name" = xsk-helper ] || continue
            { IFS= read -r -d '' text <"$dir/status"; } 2>/dev/null || true
            [[ $text =~ $pattern ]] && echo "${dir#/proc/} ${BASH_REMATCH[*]:1}"
        done
    done >"$BOX/seen" 2>/dev/null
}

show_helper() {
    local pid uid permitted effective
    [ -s "$BOX/seen" ] || echo "  (xsk-helper at work was too quick to be read this time)"
    while read -r pid uid permitted effective; do
        row "xsk-helper, at work (pid $pid)" "$(id -nu "$uid")" "$(names "$permitted")" \
            "$(names "$effective")"
    done < <(awk 'NF == 4 && $3 !~ /^0*$/ && !seen[$0]++' "$BOX/seen")
}

# ---- what is on the interface -------------------------------------------------------------

program() { ip -d link show dev eth1 | sed -n 's/.*\(prog\/xdp id.*\)/\1/p'; }

keepers() { pgrep -u _xsk-helper || true; }

# In folders of their own; the kernel itself puts two files into every bpffs.
pins() { find /run/xsk-helper/bpf -mindepth 2 -type f "$@" 2>/dev/null || true; }

clean() { [ -z "$(program)" ] && [ -z "$(keepers)" ] && [ -z "$(pins)" ]; }

# until_true SECONDS COMMAND...
until_true() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.05
    done
}

ready() {
    ! gone || failed "the backend did not start:"
    grep -q '^ready:' "$BOX/backend.log"
}

gone() { ! kill -0 "$BACKEND" 2>/dev/null; }

# ---- the demonstration --------------------------------------------------------------------

# The bounding set stays and no_new_privs is off: otherwise no setuid program works.
as_nobody() {
    exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin setpriv --reuid 65534 --regid 65534 \
        --groups xsk --inh-caps=-all --ambient-caps=-all -- "$@"
}

# start_backend PEER
start_backend() {
    local command=("$BOX/xsk-client" run --helper "$BOX/xsk-helper" --
        "$BOX/xsk-backend" --netdev "af-xdp,id=n0,ifname=eth1" --peer "$1")
    echo "  nobody\$ ${command[*]}"
    watch_helper &
    WATCHER=$!
    as_nobody "${command[@]}" >"$BOX/backend.log" 2>&1 </dev/null &
    BACKEND=$!
    until_true 10 ready || failed "the backend was not ready within 10 s:"
    kill "$WATCHER"
    wait "$WATCHER" 2>/dev/null || true
    sed 's/^/  /' "$BOX/backend.log"
}

# plain PID: without a single capability.
plain() {
    [ "$(status "$1" CapPrm)$(status "$1" CapEff)$(status "$1" CapAmb)" = "$(printf '%048d' 0)" ]
}

show_holders() {
    local keeper
    row WHO UID PERMITTED EFFECTIVE
    show_helper
    for keeper in $(keepers); do
        holder "xsk-helper, keeper" "$keeper"
        plain "$keeper" || failed "the keeper has capabilities:"
    done
    holder xsk-backend "$BACKEND"
    plain "$BACKEND" || failed "the backend has capabilities:"
    [ "$(status "$BACKEND" Uid)" = 65534 ] || failed "the backend does not run as nobody:"
}

show_program() {
    echo "  $(program)"
    ! command -v bpftool >/dev/null || bpftool net show dev eth1 | sed -n '/^xdp/,/^$/s/^/  /p'
    pins -printf '  pinned: %p (%u, %m)\n'
}

ping_it() {
    nsenter --net=/run/netns/peer ping -n -c "$PINGS" -i 0.2 -W 2 "$ADDRESS" | tee "$BOX/ping" |
        sed 's/^/  /' || true
    grep -q "^$PINGS packets transmitted, $PINGS received" "$BOX/ping" ||
        failed "not every ping was answered:"
}

# It says them when asked, by SIGUSR1, and at its end.
show_counters() {
    local before
    before=$(wc -l <"$BOX/backend.log")
    kill -"$1" "$BACKEND"
    until_true 10 "$2" || failed "the backend did not act upon SIG$1:"
    tail -n +"$((before + 1))" "$BOX/backend.log" | sed 's/^/  /'
}

counted() { [ "$(wc -l <"$BOX/backend.log")" -gt "$before" ]; }

show_clean() {
    until_true 5 clean ||
        failed "left behind: program '$(program)', keepers '$(keepers)', pins '$(pins)'"
    ip -d link show dev eth1 | sed -n '1s/^/  /p'
    echo "  no program, no pin, no process of _xsk-helper"
}

demo() {
    title "A cable: eth1 here, 192.0.2.1 at its other end; nobody may have eth1"
    make_folders
    make_cable
    sed -n 's/^/  /p' /etc/xsk-helper/policy.toml
    ls -l "$BOX/xsk-helper" | sed 's/^/  /'
    title "The user nobody starts a backend, with a prefix"
    start_backend "echo=$ADDRESS"
    title "Who holds which capability (/proc/PID/status)"
    show_holders
    title "The program on the interface"
    show_program
    title "$PINGS pings from the other end"
    ping_it
    title "The counters of the backend"
    show_counters USR1 counted
    title "Ctrl-C for the backend"
    show_counters INT gone
    title "The interface, afterwards"
    show_clean
    [ -z "$GUEST" ] || second_act
    title "Done in $SECONDS s: $PINGS pings answered by an ordinary user, nothing left behind"
}

. "$(dirname "$0")/demo-guest.sh"

if [ "${1:-}" = --inside ]; then
    # Process 1 of its namespace: its end is the end of all others.
    trap 'exit 130' INT TERM HUP
    demo
    exit
fi
tests/scripts/setup.sh demo ${GUEST:+guest}
for name in xsk-helper xsk-client xsk-backend; do
    [ -x "$BINARIES/$name" ] || die "$BINARIES/$name is not built: make build"
done
is_root || say "this needs root (namespaces, a setuid program): asking sudo"
as_root env GUEST="$GUEST" unshare --mount --propagation private --net --pid --fork --kill-child \
    --mount-proc "$PWD/tests/scripts/demo.sh" --inside "$BINARIES"
