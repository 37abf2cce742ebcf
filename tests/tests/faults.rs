// SPDX-License-Identifier: MIT OR Apache-2.0
//! Each system call of a grant fails in turn, and each is the last one of a process that is killed:
//! `strace` injects it into the helper as it is installed. Line 31 of the list.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use xsk_tests::lab::wire::{acquire, pair};
use xsk_tests::lab::{self, HELPER, Lab, Running, SOON, Veth, Wire, afxdp};
use xsk_tests::proto::{Code, Hello, Reply, Request, codec};

/// How many hosts at once.
const HOSTS: usize = 4;

/// The first call of the helper's own code; what comes before is the loader's.
const FIRST: &str = "getresuid";
/// With it a keeper is complete.
const LAST: &str = "seccomp";

/// Calls that do not fail; close(2) can say EINTR, and has closed then.
const SURE: [&str; 7] = ["close", "umask", "getpid", "getuid", "geteuid", "gettid", "getgid"];

/// Calls without which nothing may be granted, however often they are made.
const NEEDED: [&str; 8] = [
    "chdir",
    "close_range",
    "getgroups",
    "getresgid",
    "memfd_create",
    "mkdir",
    "signalfd4",
    "statfs",
];

/// What a refusal has to name, each at least once: a step whose failure is passed over is missing.
const STEPS: [&str; 17] = [
    "raising resource limits",
    "closing descriptors",
    "reducing the permitted set",
    "setting no_new_privs",
    "setting PR_SET_DUMPABLE",
    "finding out the network namespace",
    "reading SO_PEERCRED",
    "reading SO_PEERGROUPS",
    "the policy cannot be used",
    "counting the user's connections",
    "counting the user's leases",
    "locking the interface",
    "locking a queue",
    "setting SO_BINDTOIFINDEX",
    "loading the XSK program",
    "pinning in bpffs",
    "putting the socket into the XSKMAP",
];

/// Calls on the connection itself: where they fail, nobody can be told.
const CONNECTION: [&str; 5] = ["getsockopt", "setsockopt", "recvfrom", "sendmsg", "write"];
/// Of the sends without descriptors, the flag of those on the connection; the others ask rtnetlink.
const REPLY: &str = "MSG_NOSIGNAL";

/// The n-th call of this name that a process makes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Call {
    name: String,
    nth: u32,
    /// Whether it is on the connection.
    connection: bool,
}

impl Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.name, self.nth)
    }
}

/// A host with a helper that is its service user from the start, and so one process.
struct Bench {
    lab: Lab,
    veth: Veth,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Outcome {
    Granted,
    Refused(String),
    Ended,
}

impl Outcome {
    fn refusal(&self) -> Option<&str> {
        match self {
            Self::Refused(said) => Some(said),
            Self::Granted | Self::Ended => None,
        }
    }
}

impl Bench {
    fn new() -> Result<Self, String> {
        let lab = Lab::new()?;
        let veth = lab.veth(1);
        lab.allow(&veth.ifname);
        lab.prepare_for_service();
        Ok(Self { lab, veth })
    }

    /// The helper under `strace`, with one connection of the lab's user.
    fn start(&self, options: &[&str]) -> (Wire, Running) {
        let (ours, theirs) = pair(&self.lab.user);
        let strace =
            self.lab.cmd("strace").args(["-f", "-qq"]).args(options).arg(HELPER).stdin(theirs);
        (ours, self.lab.as_service(strace).start())
    }

    /// Every call from the helper's first to the keeper's last preparation.
    fn calls(&self) -> Vec<Call> {
        let (wire, running) = self.start(&[]);
        let outcome = self.asks(&wire);
        assert_eq!(outcome, Outcome::Granted, "{}", running.stderr());
        drop(wire);
        let said = running.finish(SOON).stderr;
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        let mut calls = Vec::new();
        let mut begun = false;
        for line in said.lines() {
            let Some(name) = line.split('(').next().filter(|name| is_name(name)) else { continue };
            let nth = counts.entry(name.to_owned()).or_default();
            *nth += 1;
            begun |= name == FIRST;
            if begun {
                let connection = CONNECTION.contains(&name) || line.contains(REPLY);
                calls.push(Call { name: name.to_owned(), nth: *nth, connection });
            }
            if name == LAST {
                break;
            }
        }
        assert!(calls.len() > 100, "the trace is not that of a grant:\n{said}");
        calls
    }

    /// Asks for the only queue; what is granted has to be good.
    fn asks(&self, wire: &Wire) -> Outcome {
        let hello = codec::encode_request(&Request::Hello(Hello::default())).unwrap();
        let ask =
            codec::encode_request(&Request::Acquire(acquire(&self.veth.ifname, 0, 1))).unwrap();
        if wire.send(&hello).and_then(|()| wire.send(&ask)).is_err() {
            return Outcome::Ended;
        }
        loop {
            let Ok(mut packet) = wire.receive() else { return Outcome::Ended };
            if packet.bytes.is_empty() {
                return Outcome::Ended;
            }
            match codec::decode_reply(&packet.bytes).unwrap() {
                Reply::Welcome { .. } => {}
                Reply::Refused(refused) => {
                    assert!(packet.fds.is_empty(), "a refusal came with a descriptor");
                    assert!(
                        !refused.message.is_empty() && !refused.object.is_empty(),
                        "{refused:?}"
                    );
                    assert_ne!(refused.code, Code::BadState, "{refused:?}");
                    return Outcome::Refused(format!("{:?}: {}", refused.code, refused.message));
                }
                Reply::Granted(granted) => {
                    assert_eq!(packet.fds.len(), 1);
                    assert!(granted.confinement.device, "granted without confinement");
                    let socket = packet.fds.remove(0);
                    drop(afxdp::bind_within(socket, granted.ifindex, 0, SOON).unwrap());
                    return Outcome::Granted;
                }
                other => panic!("an answer to another question: {other:?}"),
            }
        }
    }

    /// One call fails: an answer that says which, or the end; and nothing is left.
    fn fails(&self, call: &Call) -> Outcome {
        let inject = format!("inject={}:error={}:when={}", call.name, errno(&call.name), call.nth);
        let _fault = Fault(inject.clone());
        let (wire, running) = self.start(&["-o", "/dev/null", "-e", &inject]);
        let outcome = self.asks(&wire);
        drop(wire);
        let said = running.finish(SOON).stderr;
        assert!(!said.contains("panicked"), "{inject}: {said}");
        self.lab.nothing_left(&self.veth.ifname, &[]);
        outcome
    }

    /// The process is killed at one call: the next request succeeds, and then nothing is left.
    fn kills(&self, call: &Call) {
        let inject = format!("inject={}:signal=KILL:when={}", call.name, call.nth);
        let _fault = Fault(inject.clone());
        let (wire, running) = self.start(&["-o", "/dev/null", "-e", &inject]);
        self.asks(&wire);
        drop(wire);
        running.finish(SOON);
        let (next, running) = self.start(&["-o", "/dev/null", "-e", "trace=none"]);
        assert_eq!(self.asks(&next), Outcome::Granted, "after {inject}: {}", running.stderr());
        drop(next);
        running.finish(SOON);
        self.lab.nothing_left(&self.veth.ifname, &[]);
    }
}

/// Names the fault with which a test went wrong.
struct Fault(String);

impl Drop for Fault {
    fn drop(&mut self) {
        if std::thread::panicking() {
            lab::say_figure(&format!("FAILED with {}", self.0));
        }
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// An error that the call has where something is short.
fn errno(name: &str) -> &'static str {
    match name {
        "openat" | "socket" | "dup" | "dup2" | "dup3" | "pipe2" | "signalfd4" => "EMFILE",
        "mmap" | "brk" | "mremap" | "munmap" | "madvise" | "mprotect" => "ENOMEM",
        "recvfrom" | "recvmsg" | "read" | "write" | "sendto" | "sendmsg" => "EIO",
        "fcntl" => "ENOLCK",
        _ => "EPERM",
    }
}

/// Shares the calls out among several hosts.
fn each(work: impl Fn(&Bench, &Call) + Sync) -> Result<usize, String> {
    let first = Bench::new()?;
    let calls = first.calls();
    let count = calls.len();
    drop(first);
    let calls = Mutex::new(calls);
    let host = || {
        let bench = Bench::new().unwrap();
        loop {
            let Some(call) = calls.lock().unwrap().pop() else { return };
            work(&bench, &call);
        }
    };
    std::thread::scope(|scope| (0..HOSTS).for_each(|_| drop(scope.spawn(host))));
    Ok(count)
}

fn strace_is_there() -> bool {
    std::process::Command::new("strace").arg("-V").output().is_ok_and(|done| done.status.success())
}

#[test]
fn h31_each_call_fails_in_turn() {
    if !strace_is_there() {
        xsk_tests::skip!("there is no strace: apt-get install strace");
    }
    let (begin, outcomes) = (Instant::now(), Mutex::new(BTreeMap::<Outcome, Vec<Call>>::new()));
    let injected = AtomicUsize::new(0);
    let done = each(|bench, call| {
        if SURE.contains(&call.name.as_str()) {
            return;
        }
        injected.fetch_add(1, Ordering::Relaxed);
        let outcome = bench.fails(call);
        outcomes.lock().unwrap().entry(outcome).or_default().push(call.clone());
    });
    if let Err(why) = done {
        xsk_tests::skip!("{why}");
    }
    let count = injected.into_inner();
    let outcomes = outcomes.into_inner().unwrap();
    for (outcome, calls) in &outcomes {
        let calls: Vec<String> = calls.iter().map(Call::to_string).collect();
        println!("{outcome:?}: {}", calls.join(" "));
    }
    let of = |wanted: fn(&Outcome) -> bool| -> usize {
        outcomes.iter().filter(|(outcome, _)| wanted(outcome)).map(|(_, calls)| calls.len()).sum()
    };
    let (granted, ended) = (of(|o| *o == Outcome::Granted), of(|o| *o == Outcome::Ended));
    let refused = count - granted - ended;
    lab::say_figure(&format!(
        "{count} faults injected into the grant path in {:.0?}: {refused} refused, {ended} ended, {granted} harmless",
        begin.elapsed()
    ));
    check_outcomes(&outcomes);
}

/// No fault is passed over that a promise depends on, and every refusal says what failed.
fn check_outcomes(outcomes: &BTreeMap<Outcome, Vec<Call>>) {
    let all = |wanted: &Outcome| outcomes.get(wanted).into_iter().flatten();
    let granted: Vec<_> =
        all(&Outcome::Granted).filter(|call| NEEDED.contains(&&*call.name)).collect();
    assert!(granted.is_empty(), "granted although these failed: {granted:?}");
    let silent: Vec<_> = all(&Outcome::Ended).filter(|call| !call.connection).collect();
    assert!(silent.is_empty(), "ended without a word where these failed: {silent:?}");
    let refusals: Vec<&str> = outcomes.keys().filter_map(Outcome::refusal).collect();
    for step in STEPS {
        assert!(refusals.iter().any(|refusal| refusal.contains(step)), "no refusal names: {step}");
    }
    let unnamed =
        |refusal: &&&str| refusal.starts_with("Internal: ") && refusal.matches(": ").count() < 2;
    assert_eq!(refusals.iter().find(unnamed), None, "a refusal has no step, or no reason");
}

#[test]
fn h31_killed_at_each_call() {
    if !strace_is_there() {
        xsk_tests::skip!("there is no strace: apt-get install strace");
    }
    let begin = Instant::now();
    match each(Bench::kills) {
        Ok(count) => {
            lab::say_figure(&format!("killed at each of {count} calls in {:.0?}", begin.elapsed()))
        }
        Err(why) => xsk_tests::skip!("{why}"),
    }
}
