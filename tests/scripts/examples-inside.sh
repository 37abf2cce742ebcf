#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# Runs the examples of one document, for tests/tests/examples.rs:
#
#   examples-inside.sh TREE BUILT SETUP FILE...
#
# TREE is the source tree, and BUILT has the programs as `make build` leaves them. SETUP is `bare`,
# or `installed` for a document that takes the installation for granted. Each FILE is one example.
# It runs in mount, network and process namespaces whose /usr, /etc, /run and /home are copies, as
# the user alice, who may use sudo. An example that ends by itself is pasted twice. One that does
# not (a backend) has to print `ready:`, and is interrupted after the last example.
#
# The build is not repeated: `make` without arguments does nothing here.
set -euo pipefail
TREE=$1 BUILT=$2 SETUP=$3
shift 3
LIMIT=${XSK_EXAMPLE_LIMIT:-120}
BACKGROUND=()

copy_of() {
    mkdir -p "/run/box$1/upper" "/run/box$1/work"
    mount -t overlay -o "lowerdir=$1,upperdir=/run/box$1/upper,workdir=/run/box$1/work" overlay "$1"
}

make_box() {
    mount -t tmpfs -o mode=755 box /run
    copy_of /usr
    copy_of /etc
    mount -t tmpfs -o mode=755 home /home
    mkdir -p /run/built /run/tree /run/lock
    mount --bind "$BUILT" /run/built
    mount --bind "$TREE" /run/tree
    rm -rf /etc/xsk-helper
    install -m 755 /dev/stdin /usr/local/bin/make <<'WRAPPER'
#!/bin/sh
[ $# -gt 0 ] || exit 0
exec /usr/bin/make --no-print-directory RELEASE=/run/built/release "$@"
WRAPPER
    useradd --create-home --shell /bin/bash alice
    echo 'alice ALL=(ALL) NOPASSWD: ALL' | install -m 440 /dev/stdin /etc/sudoers.d/alice
    ip link set lo up
}

# cable NAME ADDRESS: an interface, and its other end with that address beside it.
cable() {
    ip link add "$1" type veth peer name "$1-peer"
    ip address add "$2/24" dev "$1-peer"
    ip link set "$1" up
    ip link set "$1-peer" up
}

# What the quick start does, by its shortest way, with the interfaces that the documents name.
install_all() {
    make -C /run/tree install >/dev/null
    getent group xsk >/dev/null || groupadd --system xsk
    getent passwd _xsk-helper >/dev/null ||
        useradd --system --user-group --no-create-home _xsk-helper
    usermod -aG xsk alice
    install -m 644 /dev/stdin /etc/xsk-helper/policy.toml <<'POLICY'
[[allow]]
users = ["alice", "root"]
interfaces = ["eth1", "eth2"]
POLICY
    cable eth1 192.0.2.1
    cable eth2 198.51.100.1
    xsk-helper listen --socket /run/xsk-helper/socket --socket-group xsk >/run/listen.log 2>&1 &
    until [ -S /run/xsk-helper/socket ]; do sleep 0.1; done
}

# A login of its own, so that a new group counts.
as_alice() {
    env -i HOME=/home/alice USER=alice LANG=C.UTF-8 \
        PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin \
        setpriv --reuid alice --regid alice --init-groups -- \
        bash -euo pipefail -c "cd /run/tree && . '$1'"
}

# ended PID: waits until the example has ended, or says that it serves. False for the latter.
ended() {
    local deadline=$((SECONDS + LIMIT))
    while kill -0 "$1" 2>/dev/null; do
        ! grep -q '^ready:' "$2" || return 1
        [ "$SECONDS" -lt "$deadline" ] || {
            echo "it neither ended nor was ready" >>"$2" && kill -9 "$1"
        }
        sleep 0.05
    done
}

paste() {
    local file=$1 log=$1.log pid
    as_alice "$file" >"$log" 2>&1 </dev/null &
    pid=$!
    if ended "$pid" "$log"; then
        wait "$pid" && return
        echo "FAILED: $file"
        sed 's/^/    /' "$log"
        exit 1
    fi
    BACKGROUND+=("$pid")
    return 1
}

make_box
[ "$SETUP" = bare ] || install_all
for file in "$@"; do
    install -m 644 "$file" "/run/${file##*/}"
    if paste "/run/${file##*/}"; then
        paste "/run/${file##*/}"
    fi
done
for pid in "${BACKGROUND[@]}"; do
    pkill -INT -u alice || true
    wait "$pid" || true
done
echo "every example ran"
