#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Runs inside the VM of package-vm.sh, as a unit, once Debian is up: installs the packages, and
# tests what ordinary users and the administrator get. One line a test; what a failed one said
# stands before it. The tests build upon each other, so they run in the order of this file.
set -uo pipefail
export LC_ALL=C DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin
HELPER=/usr/libexec/xsk-helper
SCRATCH=/run/package-test
# Everything runs some sixteen times slower than on a machine.
PATIENCE=40
TESTS=()
PASSED=0 FAILED=0

# ---- what the tests have in common -----------------------------------------------------------

# Why the test fails; it ends with that.
fail() {
    echo "    $*"
    exit 1
}

# until_true COMMAND...
until_true() {
    local deadline=$((SECONDS + PATIENCE))
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.1
    done
}

# as USER COMMAND...: what his login would execute.
as() {
    local user=$1
    shift
    runuser -u "$user" -- "$@"
}

# cable N [QUEUES]: the interface lanN, whose other end has the address 10.0.N.1 in a namespace.
cable() {
    ip netns add "far$1"
    local queues=(numrxqueues "${2:-1}" numtxqueues "${2:-1}")
    ip link add "lan$1" "${queues[@]}" type veth peer name far "${queues[@]}" netns "far$1"
    ip link set "lan$1" up
    ip -n "far$1" link set far up
    ip -n "far$1" address add "10.0.$1.1/24" dev far
}

# backend N USER WAY...: USER's backend answers pings on lanN, by a lease got in that way.
backend() {
    local n=$1 user=$2
    shift 2
    as "$user" xsk-client run "$@" -- xsk-backend --netdev "af-xdp,id=n0,ifname=lan$n" \
        --peer "echo=10.0.$n.2" >"$SCRATCH/backend$n" 2>&1 </dev/null &
    until_true is_ready "$n" ||
        fail "the backend on lan$n was not ready: $(cat "$SCRATCH/backend$n")"
}

is_ready() { grep -q '^ready:' "$SCRATCH/backend$1"; }

# its_pid N: of the backend on lanN. The prefix has become it.
its_pid() { pgrep -x xsk-backend -a | sed -n "s|^\([0-9]*\) .*ifname=lan$1[, ].*|\1|p"; }

end_backend() {
    local pid
    pid=$(its_pid "$1")
    [ -z "$pid" ] || kill "$pid"
    until_true is_clean "$1" || fail "something is left on lan$1: $(leftover "$1")"
}

is_clean() { [ -z "$(leftover "$1")" ]; }

# The program leaves with the last lease.
leftover() { ip -d link show dev "lan$1" | grep -o 'prog/xdp.*'; }

# keeper N: the process that keeps the lease on lanN.
keeper() {
    xsk-client status --json | python3 -c 'import json, sys
for lease in json.load(sys.stdin)["leases"]:
    if lease["ifname"] == sys.argv[1]: print(lease["keeper"])' "lan$1"
}

# unit_of PID
unit_of() { ps -o unit= -p "$1" | tr -d ' '; }

# ping N COUNT [OPTION...]: prints how many were answered.
answered() {
    local n=$1 count=$2
    shift 2
    ip netns exec "far$n" ping -n -q -c "$count" -i 0.2 -W 3 "$@" "10.0.$n.2" |
        sed -n 's/.* \([0-9]*\) received.*/\1/p'
}

pings_are_answered() {
    local count
    count=$(answered "$1" 5)
    [ "$count" = 5 ] || fail "of 5 pings on lan$1 $count were answered"
}

# field PID NAME: the first value of that line of /proc/PID/status.
field() { awk -v name="$2:" '$1 == name { print $2 }' "/proc/$1/status"; }

has_no_capability() {
    local set
    for set in CapInh CapPrm CapEff CapAmb; do
        [ "$(field "$1" "$set")" = 0000000000000000 ] || fail "pid $1 has $set $(field "$1" "$set")"
    done
}

# refused STATUS SENTENCE COMMAND...
refused() {
    local status=0 wanted=$1 sentence=$2 said
    shift 2
    said=$("$@" 2>&1 </dev/null) || status=$?
    [ "$status" = "$wanted" ] || fail "status $status instead of $wanted from: $* ($said)"
    [[ $said == *"$sentence"* ]] || fail "'$said' instead of '$sentence' from: $*"
}

# journal FIELD=VALUE...: how many lines of the helper's have those.
journal() {
    journalctl --sync
    journalctl -q -t xsk-helper -o cat "$@" | wc -l
}

# ---- the machine -------------------------------------------------------------------------------

prepare() {
    mkdir -p "$SCRATCH" /etc/polkit-1/rules.d
    cat >/etc/polkit-1/rules.d/50-xsk.rules <<'EOF'
polkit.addRule(function(action, subject) {
    if (action.id == "org.xsk.helper.run" && (subject.user == "bob" || subject.user == "dave"))
        return polkit.Result.YES;
});
EOF
    local n user
    for user in alice bob carol dave eve mallory; do
        useradd --create-home --shell /bin/bash "$user"
    done
    for n in 1 2 3; do
        cable "$n"
    done
    cable 4 4
}

rules() {
    cat >/etc/xsk-helper/policy.d/test.toml <<'EOF'
[[allow]]
users = ["alice"]
interfaces = ["lan1", "lan2", "lan4"]
queues = "0-3"

[[allow]]
users = ["bob", "carol"]
interfaces = ["lan3"]
EOF
    xsk-helper check-policy
}

# ---- the tests ---------------------------------------------------------------------------------

TESTS+=(apt_installs_the_packages)
apt_installs_the_packages() {
    apt-get -q -y install /payload/now/*.deb >"$SCRATCH/apt" 2>&1 ||
        fail "$(tail -n 30 "$SCRATCH/apt")"
    ! grep -i 'warn\|error' "$SCRATCH/apt" || fail "apt had something to say"
    getent passwd _xsk-helper >/dev/null || fail "there is no user _xsk-helper"
    getent group xsk >/dev/null || fail "there is no group xsk"
    systemctl -q is-enabled xsk-helper.socket || fail "the socket is not enabled"
    systemctl -q is-active xsk-helper.socket || fail "the socket does not listen"
    [ "$(stat -c %A%U%G $HELPER)" = -rwxr-xr-x""rootroot ] || fail "$(ls -l $HELPER)"
    [ -z "$(xsk-client status --json | grep -o '"keeper"')" ] || fail "there are leases already"
}

TESTS+=(as_installed_nobody_is_allowed_anything)
as_installed_nobody_is_allowed_anything() {
    usermod -aG xsk alice
    refused 77 "the policy does not allow uid $(id -u alice) to use lan1" \
        as alice xsk-backend --netdev af-xdp,id=n0,ifname=lan1 --peer discard
}

TESTS+=(the_socket_unit_serves_a_user)
the_socket_unit_serves_a_user() {
    local keeper pid
    rules || fail "the rules are not right"
    for user in carol dave mallory; do
        usermod -aG xsk "$user"
    done
    backend 1 alice
    pings_are_answered 1
    pid=$(its_pid 1)
    keeper=$(keeper 1)
    [ "$(field "$pid" Uid)" = "$(id -u alice)" ] || fail "the backend is not alice's"
    [ "$(field "$keeper" Uid)" = "$(id -u _xsk-helper)" ] ||
        fail "the keeper is not the service user's"
    has_no_capability "$pid"
    has_no_capability "$keeper"
    [ "$(field "$keeper" NoNewPrivs)$(field "$keeper" Seccomp)" = 12 ] ||
        fail "the keeper is not confined"
}

TESTS+=(the_profile_is_enforced)
the_profile_is_enforced() {
    [ "$(cat "/proc/$(keeper 1)/attr/current")" = "xsk-helper (enforce)" ] ||
        fail "the keeper runs under '$(cat "/proc/$(keeper 1)/attr/current")'"
    [ -z "$(denials)" ] || fail "$(denials)"
}

denials() { journalctl -q -k | grep 'apparmor="DENIED".*xsk-helper' || true; }

TESTS+=(a_policy_elsewhere_names_the_profile)
a_policy_elsewhere_names_the_profile() {
    echo "[limits]" >/srv/draft.toml
    ! said=$(xsk-helper check-policy /srv/draft.toml 2>&1) ||
        fail "read in spite of the profile: $said"
    [[ $said == *"/etc/apparmor.d/local/usr.libexec.xsk-helper"* ]] || fail "$said"
    mv /srv/draft.toml /etc/xsk-helper/draft
    xsk-helper check-policy /etc/xsk-helper/draft || fail "not read in the policy's folder"
    rm /etc/xsk-helper/draft
}

TESTS+=(the_bind_guard_holds_sockets_to_their_queues)
the_bind_guard_holds_sockets_to_their_queues() {
    [ "$(journal XSK_ACTION=grant XSK_INTERFACE=lan1 XSK_CONFINED_TO_QUEUE=true)" = 1 ] ||
        fail "the grant does not say so: $(journalctl -q -t xsk-helper -o cat)"
    bpftool link show | grep -q 'attach_type lsm_mac' ||
        fail "there is no LSM program: $(bpftool link show)"
}

TESTS+=(a_lease_is_a_unit_with_a_status_line)
a_lease_is_a_unit_with_a_status_line() {
    local unit status
    unit=$(unit_of "$(keeper 1)")
    systemctl list-units --plain --no-legend 'xsk-helper@*' | grep -q "^$unit .*running" ||
        fail "$unit is not in the list: $(systemctl list-units --no-legend 'xsk-helper@*')"
    status=$(systemctl show -P StatusText "$unit")
    echo "    $unit: $status"
    [[ $status == "uid $(id -u alice): lan1, queue 0"* ]] || fail "the status says '$status'"
}

TESTS+=(the_sandbox_is_tight)
the_sandbox_is_tight() {
    local unit figure
    unit=$(unit_of "$(keeper 1)")
    figure=$(systemd-analyze security "$unit" |
        sed -n 's/.*Overall exposure level.*: \([0-9.]*\).*/\1/p')
    echo "    systemd-analyze security $unit: $figure"
    awk -v figure="$figure" 'BEGIN { exit !(figure != "" && figure <= 2.0) }' ||
        fail "that is more than 2.0"
}

TESTS+=(systemctl_stop_ends_one_lease_alone)
systemctl_stop_ends_one_lease_alone() {
    backend 2 alice
    pings_are_answered 2
    systemctl stop "$(unit_of "$(keeper 1)")" || fail "systemctl stop failed"
    [ "$(answered 1 2)" = 0 ] || fail "lan1 still answers"
    pings_are_answered 2
    end_backend 1
    end_backend 2
    until_true gone 'xsk-helper@*' || fail "$(systemctl list-units --all 'xsk-helper@*')"
}

TESTS+=(a_killed_gate_ends_no_lease_and_is_started_again)
a_killed_gate_ends_no_lease_and_is_started_again() {
    backend 1 alice
    systemctl kill -s KILL xsk-helper-gate.service
    pings_are_answered 1
    backend 2 alice
    pings_are_answered 2
    end_backend 1
    end_backend 2
}

TESTS+=(pkexec_serves_whom_a_polkit_rule_allows)
pkexec_serves_whom_a_polkit_rule_allows() {
    backend 3 bob --pkexec
    pings_are_answered 3
    has_no_capability "$(its_pid 3)"
    end_backend 3
}

TESTS+=(the_setuid_helper_serves_its_group)
the_setuid_helper_serves_its_group() {
    dpkg-statoverride --update --add root xsk 4750 $HELPER || fail "dpkg-statoverride failed"
    backend 3 carol --helper $HELPER
    pings_are_answered 3
    has_no_capability "$(its_pid 3)"
    end_backend 3
}

TESTS+=(the_socket_serves_beside_a_setuid_helper)
the_socket_serves_beside_a_setuid_helper() {
    backend 1 alice
    pings_are_answered 1
    end_backend 1
}

TESTS+=(whom_the_policy_does_not_allow_is_refused_by_all_ways)
whom_the_policy_does_not_allow_is_refused_by_all_ways() {
    local way sentence
    sentence="the policy does not allow uid $(id -u dave) to use lan1"
    for way in "" "--helper $HELPER" --pkexec; do
        # shellcheck disable=SC2086 # none or several words
        refused 77 "$sentence" as dave xsk-backend $way --netdev af-xdp,id=n0,ifname=lan1 --peer \
            discard
        # shellcheck disable=SC2086 # the same
        refused 125 "$sentence" as dave xsk-client run $way -- xsk-backend --netdev \
            af-xdp,id=n0,ifname=lan1 --peer discard
    done
}

TESTS+=(who_is_not_let_in_is_told_why)
who_is_not_let_in_is_told_why() {
    local backend="xsk-backend --netdev af-xdp,id=n0,ifname=lan1 --peer discard"
    # shellcheck disable=SC2086 # words
    {
        refused 69 "you may not connect to /run/xsk-helper/socket" as eve $backend
        refused 78 "$HELPER may be run by group xsk only" as eve $backend --helper $HELPER
        refused 69 "not authorized" as eve $backend --pkexec
    }
}

TESTS+=(the_journal_has_fields_for_every_way)
the_journal_has_fields_for_every_way() {
    local user
    for user in alice bob carol; do
        [ "$(journal XSK_ACTION=grant "XSK_UID=$(id -u $user)")" -ge 1 ] ||
            fail "no grant for $user"
        [ "$(journal XSK_ACTION=end "XSK_UID=$(id -u $user)" XSK_REASON=closed)" -ge 1 ] ||
            fail "no end for $user"
    done
    [ "$(journal XSK_ACTION=end "XSK_UID=$(id -u alice)" XSK_REASON=revoked)" = 1 ] ||
        fail "no stop of alice's"
    [ "$(journal XSK_ACTION=refuse "XSK_UID=$(id -u dave)" XSK_CODE=not-allowed XSK_OBJECT=lan1)" \
        = 6 ] ||
        fail "not six refusals of dave: $(journal XSK_ACTION=refuse "XSK_UID=$(id -u dave)")"
    [ "$(journal _UID="$(id -u _xsk-helper)" XSK_ACTION=grant)" -ge 3 ] ||
        fail "not by the service user"
}

# journald takes so many lines of a unit and no more. A flood from where a helper is started is not
# to hide what that helper does.
TESTS+=(journalds_own_limit_hides_no_grant)
journalds_own_limit_hides_no_grant() {
    local user way n uid grants ends
    limit_journald $'[Journal]\nRateLimitIntervalSec=10min\nRateLimitBurst=20'
    while read -r user n way; do
        uid=$(id -u "$user")
        grants=$(journal XSK_ACTION=grant "XSK_UID=$uid")
        ends=$(journal XSK_ACTION=end "XSK_UID=$uid")
        seq 2000 | as "$user" logger -t "flood-$user"
        # shellcheck disable=SC2086 # none or two words
        backend "$n" "$user" $way
        end_backend "$n"
        [ "$(journalctl -q -t "flood-$user" | wc -l)" -lt 2000 ] || fail "journald has no limit"
        [ "$(journal XSK_ACTION=grant "XSK_UID=$uid")" = $((grants + 1)) ] ||
            fail "the grant of $user ($way) is not in the journal"
        [ "$(journal XSK_ACTION=end "XSK_UID=$uid")" = $((ends + 1)) ] ||
            fail "the end of $user ($way) is not in the journal"
    done <<<"alice 1
carol 3 --helper $HELPER
bob 3 --pkexec"
    limit_journald ""
}

limit_journald() {
    install -D -m 644 /dev/stdin /etc/systemd/journald.conf.d/limit.conf <<<"$1"
    systemctl restart systemd-journald
}

TESTS+=(what_a_killed_keeper_leaves_goes_with_its_unit)
what_a_killed_keeper_leaves_goes_with_its_unit() {
    local unit
    # A client that has closed its socket, and keeps the lease.
    as alice xsk-client run --acquire af-xdp,id=n0,ifname=lan1 -- \
        bash -c 'fd=${XSK_NETDEV_n0##*sock-fds=}; eval "exec ${fd%%,*}>&-"
            echo ready: $XSK_NETDEV_n0; exec sleep 600' \
        >"$SCRATCH/backend1" 2>&1 </dev/null &
    until_true is_ready 1 || fail "$(cat "$SCRATCH/backend1")"
    ip -d link show dev lan1 | grep -q prog/xdp || fail "there is no program on lan1"
    unit=$(unit_of "$(keeper 1)")
    systemctl kill -s KILL "$unit"
    until_true is_clean 1 || fail "something is left: $(leftover 1)"
    until_true gone "$unit" || fail "$(systemctl status "$unit")"
    pkill -u alice sleep
}

gone() { [ -z "$(systemctl list-units --no-legend --all "$1")" ]; }

TESTS+=(an_upgrade_leaves_leases_alone)
an_upgrade_leaves_leases_alone() {
    local keeper sent received
    backend 1 alice
    keeper=$(keeper 1)
    ip netns exec far1 ping -n -q -i 0.2 -W 3 10.0.1.2 >"$SCRATCH/ping" 2>&1 &
    apt-get -q -y install /payload/next/*.deb >"$SCRATCH/apt" 2>&1 ||
        fail "$(tail -n 30 "$SCRATCH/apt")"
    sleep 1
    pkill -INT -x ping
    sleep 0.5
    read -r sent received < <(
        sed -n 's/^\([0-9]*\) packets transmitted, \([0-9]*\) received.*/\1 \2/p' "$SCRATCH/ping"
    )
    echo "    of $sent pings $received were answered"
    [ "$sent" -gt 20 ] && [ $((sent - received)) -le 1 ] || fail "pings were lost"
    [ "$(keeper 1)" = "$keeper" ] || fail "the keeper was $keeper and is $(keeper 1)"
    dpkg-query -W -f '${Version}' xsk-helper | grep -q next || fail "it was not upgraded"
    [ "$(stat -c %a%G $HELPER)" = 4750xsk ] || fail "the override is gone: $(ls -l $HELPER)"
    backend 2 alice
    pings_are_answered 2
    readlink "/proc/$(keeper 1)/exe" | grep -q deleted ||
        fail "the old keeper is not the old program"
    ! readlink "/proc/$(keeper 2)/exe" "/proc/$(systemctl show -P MainPID xsk-helper-gate)/exe" |
        grep deleted ||
        fail "new processes are of the old program"
    end_backend 2
    end_backend 1
}

TESTS+=(removal_ends_leases)
removal_ends_leases() {
    backend 1 alice
    backend 3 carol --helper $HELPER
    apt-get -q -y remove xsk-helper >"$SCRATCH/apt" 2>&1 || fail "$(tail -n 30 "$SCRATCH/apt")"
    [ "$(answered 1 2)$(answered 3 2)" = 00 ] || fail "there are still answers"
    [ -z "$(pgrep -u _xsk-helper)" ] || fail "there are still keepers: $(pgrep -a -u _xsk-helper)"
    [ ! -e /run/xsk-helper ] || fail "$(find /run/xsk-helper)"
    [ -e /etc/xsk-helper/policy.d/test.toml ] || fail "the rules went"
    [ -z "$(ip -d link | grep -o 'prog/xdp.*')" ] || fail "$(ip -d link)"
    until_true no_backend || fail "a backend went on: $(pgrep -a -x xsk-backend)"
}

# One whose lease is revoked ends.
no_backend() { ! pgrep -x xsk-backend >/dev/null; }

TESTS+=(purge_leaves_nothing)
purge_leaves_nothing() {
    local left
    # shellcheck disable=SC2046 # names without spaces
    apt-get -q -y purge $(dpkg-query -W -f '${Package}\n' '*xsk*') >"$SCRATCH/apt" 2>&1 ||
        fail "$(tail -n 30 "$SCRATCH/apt")"
    left=$(find / -xdev -name '*xsk*' -not -path '/payload/*' \
        -not -path '/etc/polkit-1/rules.d/50-xsk.rules' -not -path '/var/cache/apt/*')
    left+=$(find /run /dev/shm -name '*xsk*')
    left+=$(getent passwd _xsk-helper _xsk-backend; getent group xsk _xsk-helper _xsk-backend)
    left+=$(dpkg-statoverride --list $HELPER)
    left+=$(grep xsk /proc/mounts; bpftool prog show | grep -i xsk; bpftool link show | grep -i xsk)
    left+=$(systemctl list-units --all --no-legend '*xsk*' | grep -v package-test)
    [ -z "$left" ] || fail "left: $left"
}

TESTS+=(a_flood_of_connections_keeps_nobody_out)
a_flood_of_connections_keeps_nobody_out() {
    local start
    apt-get -q -y install /payload/now/*.deb >"$SCRATCH/apt" 2>&1 ||
        fail "$(tail -n 30 "$SCRATCH/apt")"
    rules || fail "the rules are not right"
    usermod -aG xsk alice
    usermod -aG xsk mallory
    as mallory python3 -c "$FLOOD" >"$SCRATCH/flood" 2>&1 &
    sleep 5
    start=$(date +%s%N)
    # A client has its own patience of 10 s, which is not long here.
    as alice bash -c 'for try in 1 2 3 4; do xsk-client run -- "$@"; [ $? -eq 125 ] || break
        done' bash xsk-backend --netdev af-xdp,id=n0,ifname=lan1 --peer echo=10.0.1.2 \
        >"$SCRATCH/backend1" \
            2>&1 </dev/null &
    until_true is_ready 1 ||
        fail "nothing was granted: $(pkill -u mallory; sleep 1; cat "$SCRATCH"/{flood,backend1})"
    echo "    a grant meanwhile took $((($(date +%s%N) - start) / 1000000)) ms"
    pings_are_answered 1
    pkill -u mallory
    sleep 1
    cat "$SCRATCH/flood"
    end_backend 1
}
FLOOD='
import signal, socket, sys, time
made, failed, start = 0, 0, time.monotonic()
def end(*_):
    seconds = time.monotonic() - start
    print(f"    {made} connections in {seconds:.1f} s, {failed} tries failed", flush=True)
    sys.exit()
signal.signal(signal.SIGTERM, end)
while True:
    while made + failed > (time.monotonic() - start) * 1000:
        time.sleep(0.001)
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.setblocking(False)
    try:
        s.connect("/run/xsk-helper/socket")
        made += 1
    except OSError:
        failed += 1
    s.close()
'

# ---- the run -----------------------------------------------------------------------------------

run() {
    local output since status=0
    since=$(date +%s)
    output=$("$1" 2>&1) || status=$?
    if [ "$status" -eq 0 ]; then
        PASSED=$((PASSED + 1))
        [ -z "$output" ] || echo "$output"
        echo "test $1 ... ok"
        return
    fi
    FAILED=$((FAILED + 1))
    echo "$output"
    journalctl -q --since "@$since" -n 25 --no-hostname | sed 's/^/    | /'
    echo "test $1 ... FAILED"
}

echo "kernel $(uname -r), $(. /etc/os-release && echo "$PRETTY_NAME")," \
    "systemd $(systemctl --version | sed -n '1s/.*(\(.*\))/\1/p')," \
    "security modules $(cat /sys/kernel/security/lsm); up after $(cut -d. -f1 /proc/uptime) s"
prepare
ONLY=$(sed -n 's/.*\btest=\([^ ]*\).*/\1/p' /proc/cmdline)
for test in "${TESTS[@]}"; do
    [[ $test != *"$ONLY"* && $test != apt_* ]] || run "$test"
done
echo "$PASSED passed, $FAILED failed"
