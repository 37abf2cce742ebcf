// SPDX-License-Identifier: MIT OR Apache-2.0
//! The audit log: nobody can suppress it, and nobody can fill it. Lines 36 and 37 of the list.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use xsk_tests::lab;
use xsk_tests::lab::syslog::flood;
use xsk_tests::lab::wire::{acquire, with_credentials};
use xsk_tests::lab::{Lab, SOCKET, User, Wire};
use xsk_tests::proto::{Acquire, Code, Param, Refused, Value};

const GRANTS: usize = 40;
/// How long the log takes a line. The flood has filled what room there is within a fraction of it.
const PAUSE: Duration = Duration::from_millis(2);
/// How long a process that ends waits for the log.
const WAITS: Duration = Duration::from_secs(5);
/// What a hostile client sends, and what may become of it.
const SENT: usize = 60_000;
const LOGGED: usize = 10_000;
/// How many options a request has room for.
const OPTIONS: usize = 16;

/// Each a lease of its own; returns their numbers once every helper has ended.
fn leases(lab: &Lab, ifname: &str) -> Vec<u64> {
    let leases = (0..GRANTS).map(|_| {
        let (wire, run) = lab.exec(&lab.user);
        let number = wire.get_at_once(ifname, 0, 1).granted.lease;
        drop((wire, run));
        number
    });
    let leases = leases.collect();
    lab.no_helpers_but(&[]);
    leases
}

#[test]
fn h36_a_flood_of_the_log_hides_no_grant_and_no_end() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    let syslog = lab.syslog();
    let stranger = lab.another_user();
    let over = AtomicBool::new(false);
    let began = Instant::now();
    let (leases, lines, sent) = std::thread::scope(|scope| {
        let log = scope.spawn(|| syslog.read_slowly(PAUSE, &over));
        let flood = scope.spawn(|| with_credentials(&stranger, || flood(&over)));
        let leases = leases(&lab, &veth.ifname);
        over.store(true, Ordering::Relaxed);
        (leases, log.join().unwrap(), flood.join().unwrap())
    });
    let logged = |what: &str, lease: u64| {
        let lease = format!("lease={lease} ");
        lines.iter().filter(|line| line.contains(what) && line.contains(&lease)).count()
    };
    let took = began.elapsed();
    // A line that finds no place for as long as a helper waits for the log is lost: on a slow
    // machine one or another, and none within that time.
    let lost = if took < WAITS { 0 } else { GRANTS / 10 };
    for what in [": grant ", ": end "] {
        let counts: Vec<usize> = leases.iter().map(|lease| logged(what, *lease)).collect();
        let once = counts.iter().filter(|count| **count == 1).count();
        assert!(counts.iter().all(|count| *count <= 1), "{what}: {counts:?} times in the log");
        assert!(once + lost >= GRANTS, "{what}: {counts:?} times in the log after {took:?}");
    }
    let said = format!("{GRANTS} leases in {took:?} beside {sent} lines of a flood");
    lab::say_figure(&said);
}

/// A request full of options that no helper knows.
fn nonsense(ifname: &str) -> Acquire {
    let option = |number: usize| Param {
        name: format!("{number}\u{1b}[2J\n{}", "nonsense".repeat(24)),
        value: Value::Flag(true),
    };
    Acquire { params: (0..OPTIONS).map(option).collect(), ..acquire(ifname, 0, 1) }
}

/// Sends so much nonsense, and returns the refusals.
fn talk_nonsense(user: &User, ifname: &str) -> Vec<Refused> {
    let request = nonsense(ifname);
    let bytes: usize = request.params.iter().map(|param| param.name.len()).sum();
    let mut refusals = Vec::new();
    while refusals.len() * bytes < SENT {
        let wire = Wire::connect_as(SOCKET, user);
        wire.greet();
        refusals.push(wire.ask(request.clone()).unwrap_err());
        // The same again is counted, not repeated.
        for _ in 0..4 {
            refusals.push(wire.ask(request.clone()).unwrap_err());
        }
    }
    refusals
}

#[test]
fn h37_nonsense_is_not_multiplied() {
    let lab = lab!();
    let veth = lab.veth(1);
    let stranger = lab.another_user();
    lab.allow(&veth.ifname);
    for (user, code) in [(&stranger, Code::NotAllowed), (&lab.user, Code::UnknownOption)] {
        let listener = lab.listen();
        let before = listener.stderr().len();
        let refusals = talk_nonsense(user, &veth.ifname);
        lab.no_helpers_but(&[listener.pid()]);
        let log = listener.stderr();
        for refused in &refusals {
            assert_eq!(refused.code, code, "{refused:?}");
            let text = format!("{}{}{}", refused.object, refused.message, refused.hint);
            assert!(
                text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '),
                "{refused:?}"
            );
            assert!(refused.object.len() < 70 && refused.message.len() < 200, "{refused:?}");
        }
        assert!(log.len() - before < LOGGED, "{} bytes: {log}", log.len() - before);
        lab::say_figure(&format!("{code}: {} bytes of log for {SENT} bytes", log.len() - before));
        listener.kill();
    }
}
