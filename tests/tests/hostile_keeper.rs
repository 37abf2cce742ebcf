// SPDX-License-Identifier: MIT OR Apache-2.0
//! Hostile code in a keeper: it has no capability, and can reach only what is the keeper's own.
//! Line 38 of the list.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(target_arch = "x86_64")]

use nix::libc;
use xsk_tests::lab;
use xsk_tests::lab::inject::{Argument, Captive, Made};
use xsk_tests::lab::proc::Process;
use xsk_tests::lab::wire::Leased;
use xsk_tests::lab::{Lab, Running, SOCKET, SOON, User, Veth, Wire, wait_until};

const BPF_MAP_UPDATE_ELEM: u64 = 2;
const BPF_OBJ_GET: u64 = 7;
const LEASES: &str = "/run/xsk-helper/leases";
const CWD: u64 = libc::AT_FDCWD as u64;

/// A lease of one queue whose keeper has begun.
fn leased(user: &User, veth: &Veth, queue: u32) -> (Wire, Leased, Process) {
    let wire = Wire::connect_as(SOCKET, user);
    let grant = wire.get(&veth.ifname, queue, 1).unwrap();
    let keeper = Process::new(grant.granted.keeper).settled();
    (wire, grant, keeper)
}

/// Two users, each with an interface; the second one has a lease.
fn two(lab: &Lab) -> (User, [Veth; 2], Running, (Wire, Leased, Process)) {
    let veths = [lab.veth(2), lab.veth(2)];
    let other = lab.share();
    let listener = lab.listen();
    let victim = leased(&other, &veths[1], 0);
    (other, veths, listener, victim)
}

/// A pin of an interface.
fn pin(lab: &Lab, ifindex: u32, name: &str) -> String {
    let ends = format!("-i{ifindex}/{name}");
    let found = lab.pins().into_iter().find(|pin| pin.to_string_lossy().ends_with(&ends));
    found.unwrap().to_string_lossy().into_owned()
}

/// The attributes of a bpf(2) call that begin with a pointer to a path: it is put into the same
/// memory, behind them.
fn numbers(numbers: &[u64]) -> Argument {
    Argument::Bytes(numbers.iter().flat_map(|number| number.to_ne_bytes()).collect())
}

/// What an intruder would begin with.
fn lethal(keeper: Process) -> Vec<(&'static str, i64, Vec<Argument>)> {
    let lock = keeper.fds().into_iter().find(|(_, what)| what.starts_with(LEASES)).unwrap().0;
    let connection =
        keeper.fds().into_iter().find(|(_, what)| what.starts_with("socket:")).unwrap().0;
    let memory = (libc::PROT_READ | libc::PROT_EXEC) as u64;
    let flags = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64;
    let number =
        |numbers: &[u64]| numbers.iter().copied().map(Argument::Number).collect::<Vec<_>>();
    vec![
        ("memory that is code", libc::SYS_mmap, number(&[0, 4096, memory, flags, u64::MAX, 0])),
        ("memory that becomes code", libc::SYS_mprotect, number(&[0, 4096, memory])),
        ("another's map", libc::SYS_bpf, vec![BPF_OBJ_GET.into(), numbers(&[0; 4]), 32.into()]),
        (
            "a change of a map",
            libc::SYS_bpf,
            vec![BPF_MAP_UPDATE_ELEM.into(), numbers(&[0; 4]), 32.into()],
        ),
        ("a file", libc::SYS_openat, vec![CWD.into(), Argument::path("/etc/passwd"), 0.into()]),
        (
            "text in a lock file",
            libc::SYS_write,
            vec![u64::from(lock).into(), numbers(&[0]), 8.into()],
        ),
        (
            "a message to an address",
            libc::SYS_sendto,
            vec![
                u64::from(connection).into(),
                numbers(&[0]),
                8.into(),
                0.into(),
                numbers(&[1; 2]),
                16.into(),
            ],
        ),
    ]
}

#[test]
fn h38_code_in_a_keeper_opens_and_maps_nothing() {
    let lab = lab!();
    let (_other, veths, listener, victim) = two(&lab);
    let count = {
        let (wire, _grant, keeper) = leased(&lab.user, &veths[0], 0);
        let count = lethal(keeper).len();
        drop(wire);
        wait_until(SOON, "the keeper to end", || !keeper.is_live());
        count
    };
    for attempt in 0..count {
        let (_wire, _grant, keeper) = leased(&lab.user, &veths[0], 0);
        let (what, call, arguments) = lethal(keeper).swap_remove(attempt);
        assert_eq!(Captive::take(keeper).call(call, &arguments), Made::Killed, "{what}");
    }
    // The next one tidies up behind those that were killed.
    drop(leased(&lab.user, &veths[0], 0));
    drop(victim);
    lab.nothing_left(&veths[0].ifname, &[listener.pid()]);
}

#[test]
fn h38_code_in_a_keeper_removes_only_what_is_its_own() {
    let lab = lab!();
    let (other, veths, listener, victim) = two(&lab);
    let (wire, grant, keeper) = leased(&lab.user, &veths[0], 0);
    let key = |veth: &Veth| {
        let pin = pin(&lab, lab.ifindex(&veth.ifname), "link");
        pin.split('/').nth(4).unwrap().to_owned()
    };
    let captive = Captive::take(keeper);
    let removes = |path: &str| {
        let arguments = [CWD.into(), Argument::path(path), 0.into()];
        captive.call(libc::SYS_unlinkat, &arguments)
    };
    let denied = Made::Returned(-i64::from(libc::EACCES));
    let theirs = [
        pin(&lab, victim.1.granted.ifindex, "link"),
        pin(&lab, victim.1.granted.ifindex, "map"),
        format!("{LEASES}/{}/lock", key(&veths[1])),
        format!("{LEASES}/{}/q0", key(&veths[1])),
        format!("{LEASES}/texts/{}/{}-q0.toml", other.uid, key(&veths[1])),
        format!("{LEASES}/users/{}", other.uid),
        // Neither are these its own: whoever removes a lock can take it twice.
        format!("{LEASES}/{}/q0", key(&veths[0])),
        format!("{LEASES}/users/{}", lab.user.uid),
    ];
    for path in &theirs {
        assert!(std::fs::exists(path).unwrap(), "{path}");
        assert_eq!(removes(path), denied, "{path}");
    }
    assert_eq!(removes(&pin(&lab, grant.granted.ifindex, "program")), Made::Returned(0));
    captive.release().unwrap();
    drop((wire, grant, victim));
    lab.nothing_left(&veths[0].ifname, &[listener.pid()]);
    lab.nothing_left(&veths[1].ifname, &[listener.pid()]);
}

/// A struct flock: a write lock on all of a file, and no end.
fn all() -> Argument {
    numbers(&[libc::F_WRLCK as u64, 0, 0, 0])
}

#[test]
fn h38_code_in_a_keeper_locks_nobody_else_out() {
    let lab = lab!();
    let (other, veths, listener, victim) = two(&lab);
    let (wire, grant, keeper) = leased(&lab.user, &veths[0], 0);
    let locks: Vec<_> =
        keeper.fds().into_iter().filter(|(_, what)| what.starts_with(LEASES)).collect();
    let captive = Captive::take(keeper);
    for (fd, what) in &locks {
        captive
            .call(libc::SYS_fcntl, &[u64::from(*fd).into(), (libc::F_SETLK as u64).into(), all()]);
        lab::say_figure(&format!("locked {what}"));
    }
    // The other user has every place, and every queue of the other interface.
    let second = leased(&other, &veths[1], 1);
    assert_eq!(Wire::connect_as(SOCKET, &other).status().leases.len(), 2);
    drop((second, victim));
    lab.no_program(&veths[1].ifname);
    // Root is told of what it holds, and ends it.
    assert_eq!(Wire::connect(SOCKET).status().leases.len(), 1);
    captive.release().unwrap();
    drop((wire, grant));
    lab.nothing_left(&veths[0].ifname, &[listener.pid()]);
}
