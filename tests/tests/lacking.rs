// SPDX-License-Identifier: MIT OR Apache-2.0
//! Kernels that lack something: one clear sentence for each case. If no kernel at hand lacks it,
//! `strace` makes single system calls of the helper answer as such a kernel would.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use xsk_tests::lab;
use xsk_tests::lab::link::ip;
use xsk_tests::lab::wire::{Leased, pair};
use xsk_tests::lab::{HELPER, Lab, Running, SOON, Veth, Wire, afxdp, packet};
use xsk_tests::proto::{Code, Refused, WarningKind};

/// A host with a helper that is its service user from the start, and so one process.
struct Bench {
    lab: Lab,
    veth: Veth,
}

/// The n-th call of a name, and how many from there on: each of them, or each second one.
struct Calls {
    name: &'static str,
    first: usize,
    count: usize,
    step: usize,
}

impl Bench {
    fn new() -> Option<Self> {
        let strace = std::process::Command::new("strace").arg("-V").output();
        if !strace.is_ok_and(|done| done.status.success()) {
            lab::say_skipped("there is no strace: apt-get install strace");
            return None;
        }
        match Lab::new() {
            Ok(lab) => {
                let veth = lab.veth(1);
                lab.allow("*");
                lab.prepare_for_service();
                Some(Self { lab, veth })
            }
            Err(why) => {
                lab::say_skipped(&why);
                None
            }
        }
    }

    /// The helper under `strace`, with one connection of the lab's user.
    fn start(&self, options: &[&str]) -> (Wire, Running) {
        let (ours, theirs) = pair(&self.lab.user);
        let strace =
            self.lab.cmd("strace").args(["-f", "-qq"]).args(options).arg(HELPER).stdin(theirs);
        (ours, self.lab.as_service(strace).start())
    }

    /// Where in a grant the calls are whose line has `text`: those of the first run of them,
    /// without a gap.
    fn find(&self, ifname: &str, name: &'static str, text: &str) -> Calls {
        let (wire, running) = self.start(&["-X", "raw", "-e", &format!("trace={name}")]);
        wire.get(ifname, 0, 1).unwrap();
        drop(wire);
        let said = running.finish(SOON).stderr;
        self.lab.nothing_left(ifname, &[]);
        let calls = said.lines().filter(|line| line.contains(&format!("{name}(")));
        let hits: Vec<bool> = calls.map(|line| line.contains(text)).collect();
        let first =
            hits.iter().position(|hit| *hit).unwrap_or_else(|| panic!("no {text} in:\n{said}"));
        let count = hits[first..].iter().take_while(|hit| **hit).count();
        Calls { name, first: first + 1, count, step: 1 }
    }

    /// A grant whose calls answer `errno`.
    fn asks(
        &self,
        ifname: &str,
        calls: &Calls,
        errno: &str,
    ) -> (Wire, Running, Result<Leased, Refused>) {
        let Calls { name, first, count, step } = calls;
        let last = first + (count - 1) * step;
        let inject = format!("inject={name}:error={errno}:when={first}..{last}+{step}");
        let (wire, running) = self.start(&["-o", "/dev/null", "-e", &inject]);
        let answer = wire.get(ifname, 0, 1);
        (wire, running, answer)
    }

    /// The sentences of the kind that is for kernels.
    fn sentences(&self, ifname: &str, calls: &Calls, errno: &str) -> Vec<String> {
        let (wire, running, answer) = self.asks(ifname, calls, errno);
        let grant = answer.unwrap_or_else(|refused| panic!("{refused:?}"));
        let warnings =
            grant.granted.warnings.iter().filter(|warning| warning.kind == WarningKind::Kernel);
        let texts = warnings.map(|warning| warning.text.clone()).collect();
        drop((grant, wire));
        running.finish(SOON);
        self.lab.nothing_left(ifname, &[]);
        texts
    }

    fn refused(&self, calls: &Calls, errno: &str) -> Refused {
        let (wire, running, answer) = self.asks(&self.veth.ifname, calls, errno);
        drop(wire);
        running.finish(SOON);
        self.lab.nothing_left(&self.veth.ifname, &[]);
        answer.map(|grant| grant.granted).unwrap_err()
    }
}

/// Whether the kernel itself lacks nothing that the grant on a veth would warn of.
fn is_new(bench: &Bench) -> bool {
    let (wire, running) = bench.start(&["-o", "/dev/null", "-e", "trace=none"]);
    let grant = wire.get(&bench.veth.ifname, 0, 1).unwrap();
    let old = grant.granted.warnings.iter().any(|warning| warning.kind == WarningKind::Kernel);
    drop((grant, wire));
    running.finish(SOON);
    bench.lab.nothing_left(&bench.veth.ifname, &[]);
    if old {
        lab::say_elsewhere("this kernel lacks something itself");
    }
    !old
}

#[test]
fn without_netns_cookies_the_namespace_is_known_by_its_inode() {
    let Some(bench) = Bench::new() else { return };
    if !is_new(&bench) {
        return;
    }
    // SOL_SOCKET is 1, SO_NETNS_COOKIE is 71.
    let calls = bench.find(&bench.veth.ifname, "getsockopt", ", 0x1, 0x47,");
    let (wire, running, answer) = bench.asks(&bench.veth.ifname, &calls, "ENOPROTOOPT");
    let grant = answer.unwrap();
    assert_eq!(grant.granted.netns_cookie, 0);
    let pins = bench.lab.pins();
    assert!(
        !pins.is_empty() && pins.iter().all(|pin| pin.to_string_lossy().contains("/n4")),
        "{pins:?}"
    );
    drop((grant, wire));
    running.finish(SOON);
    bench.lab.nothing_left(&bench.veth.ifname, &[]);
    assert_eq!(
        bench.sentences(&bench.veth.ifname, &calls, "ENOPROTOOPT"),
        [
            "before Linux 5.14 the helper cannot tell whether the client is in its network namespace: see that it is"
        ]
    );
}

#[test]
fn where_a_keeper_may_not_change_maps_the_grant_says_what_stays() {
    let Some(bench) = Bench::new() else { return };
    if !is_new(&bench) {
        return;
    }
    // BPF_MAP_DELETE_ELEM is 3; it is the question, once before the socket is inserted and once
    // after.
    let calls = Calls { count: 2, step: 2, ..bench.find(&bench.veth.ifname, "bpf", "bpf(0x3,") };
    assert_eq!(
        bench.sentences(&bench.veth.ifname, &calls, "EPERM"),
        [
            "before Linux 5.19 the end of a lease takes no socket back: until they are closed its queues are busy, and one \
          that is unbound can be bound"
        ]
    );
}

/// The sockets are handed over by then. Without its list of system calls a keeper keeps no lease.
#[test]
fn where_the_list_of_system_calls_cannot_be_installed_the_lease_ends() {
    let Some(bench) = Bench::new() else { return };
    let calls = bench.find(&bench.veth.ifname, "seccomp", "seccomp(0x1,");
    let (wire, running, answer) = bench.asks(&bench.veth.ifname, &calls, "ENOSYS");
    let grant = answer.unwrap();
    assert!(wire.ends(SOON), "the lease goes on");
    let said = running.finish(SOON).stderr;
    assert!(said.contains("installing the seccomp list"), "{said}");
    assert!(said.contains("xsk-helper: end ") && said.contains("reason=closed"), "{said}");
    // The client still has its socket.
    bench.lab.nothing_left(&bench.veth.ifname, &[]);
    drop(grant);
}

#[test]
fn without_netdev_netlink_a_pause_has_to_do() {
    let Some(bench) = Bench::new() else { return };
    if !is_new(&bench) {
        return;
    }
    // A kind of device of which the helper does not know that it never had a zero-copy mode.
    ip(&["link", "add", "br7", "type", "bridge"]);
    ip(&["link", "set", "br7", "up"]);
    // AF_NETLINK is 16, NETLINK_GENERIC is 16.
    let calls = bench.find("br7", "socket", "socket(0x10, 0x3|0x80000, 0x10)");
    assert_eq!(
        bench.sentences("br7", &calls, "EPROTONOSUPPORT"),
        [
            "this kernel does not tell which queues are in use (Linux 6.15 does): if bind answers EBUSY, try again"
        ]
    );
    // On one that never had it, it can still be told.
    let calls = bench.find(&bench.veth.ifname, "socket", "socket(0x10, 0x3|0x80000, 0x10)");
    let sentences = bench.sentences(&bench.veth.ifname, &calls, "EPROTONOSUPPORT");
    assert_eq!(sentences, [""; 0]);
}

#[test]
fn a_kernel_that_does_not_hold_sockets_to_their_interface_is_for_root_alone() {
    let Some(bench) = Bench::new() else { return };
    // The probe is the bind(2) with an address of AF_XDP, to a device that does not exist; without
    // the pin the kernel looks for it.
    let calls = Calls { count: 1, ..bench.find(&bench.veth.ifname, "bind", ", 16)") };
    let refused = bench.refused(&calls, "ENODEV");
    assert_eq!(refused.code, Code::Confinement);
    assert_eq!(
        refused.message,
        "this kernel does not hold an AF_XDP socket to its interface, so only root can have one"
    );
}

#[test]
fn before_5_10_there_is_one_refusal_with_the_reason() {
    let Some(bench) = Bench::new() else { return };
    let before_5_9 = Calls { name: "close_range", first: 1, count: 1, step: 1 };
    let refused = bench.refused(&before_5_9, "ENOSYS");
    assert_eq!(refused.code, Code::KernelTooOld);
    assert_eq!(
        refused.message,
        "Linux 5.10 or later is needed, and this kernel has no close_range(2)"
    );
    // BPF_MAP_UPDATE_ELEM is 2.
    let before_5_10 = bench.find(&bench.veth.ifname, "bpf", "bpf(0x2,");
    let refused = bench.refused(&Calls { count: 1, ..before_5_10 }, "EOPNOTSUPP");
    assert_eq!(refused.code, Code::KernelTooOld);
    assert_eq!(
        refused.message,
        "Linux 5.10 or later is needed, and this kernel takes no socket into an XSKMAP before it is bound"
    );
}

#[test]
fn a_map_that_wants_the_rx_ring_first_gets_the_socket_later() {
    let Some(bench) = Bench::new() else { return };
    let inserts = bench.find(&bench.veth.ifname, "bpf", "bpf(0x2,");
    // The probe of the slots comes in between, so more than the inserts fail, as they do on Linux
    // 7.1 by themselves.
    let (wire, running, answer) =
        bench.asks(&bench.veth.ifname, &Calls { count: 2, ..inserts }, "ENOBUFS");
    let mut grant = answer.unwrap();
    let socket = grant.sockets.remove(0);
    let mut bound = afxdp::bind_within(socket, grant.granted.ifindex, 0, SOON).unwrap();
    let mut peer = bench.lab.peer_tap(&bench.veth);
    let received = (0..100).any(|_| {
        peer.send(&packet::frame("late"));
        afxdp::receives(&mut bound, "late", std::time::Duration::from_millis(50))
    });
    assert!(received, "the socket never came into the map");
    // The keeper has kept no copy: the slot is empty once the socket is closed, and so is the
    // queue.
    drop(bound);
    drop(wire);
    running.finish(SOON);
    bench.lab.nothing_left(&bench.veth.ifname, &[]);
}

#[test]
fn a_socket_whose_consumer_never_sets_it_up_goes_with_its_lease() {
    let Some(bench) = Bench::new() else { return };
    let inserts = bench.find(&bench.veth.ifname, "bpf", "bpf(0x2,");
    let (wire, running, answer) =
        bench.asks(&bench.veth.ifname, &Calls { count: 2, ..inserts }, "ENOBUFS");
    let grant = answer.unwrap();
    drop(wire);
    running.finish(SOON);
    bench.lab.nothing_left(&bench.veth.ifname, &[]);
    drop(grant);
}

#[test]
fn without_the_security_module_the_grant_says_what_does_not_hold() {
    let Some(bench) = Bench::new() else { return };
    let (wire, running) = bench.start(&["-o", "/dev/null", "-e", "trace=none"]);
    let grant = wire.get(&bench.veth.ifname, 0, 1).unwrap();
    if !grant.granted.confinement.queue {
        let warnings = grant.granted.warnings.iter();
        let mut texts = warnings.filter(|warning| warning.kind == WarningKind::NoQueueConfinement);
        let text = texts.next().map(|warning| warning.text.as_str());
        assert_eq!(text, Some("this kernel holds the sockets to eth1, not to their queues"));
    }
    drop((grant, wire));
    running.finish(SOON);
    bench.lab.nothing_left(&bench.veth.ifname, &[]);
}
