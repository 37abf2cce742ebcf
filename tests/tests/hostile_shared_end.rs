// SPDX-License-Identifier: MIT OR Apache-2.0
//! A user who starts the helper keeps a copy of the helper's end of the connection, line 33 of the
//! list: whatever the user does to it, at any step, the helper ends in time, the keeper ends on
//! SIGTERM, and `revoke` tells the truth.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use xsk_tests::lab::proc::Process;
use xsk_tests::lab::shared_end::{Change, SharedEnd};
use xsk_tests::lab::wire::{acquire, pair, with_credentials};
use xsk_tests::lab::{Cmd, HELPER, INSTALLED, Lab, Running, SOCKET, SOON, Veth, Wire, wait_until};
use xsk_tests::proto::{Hello, Request, codec, exit};
use xsk_tests::{lab, skip};

/// Where the helper reads at which step it is to stand still.
const FILE: &str = "/run/xsk-helper/failpoint";
/// Steps before the first byte is read.
const EARLY: [&str; 3] = ["forked", "isolated", "counted"];
/// Steps from then to the lease.
const LATE: [&str; 11] = [
    "slot",
    "sockets",
    "locked",
    "claimed",
    "installed",
    "unlocked",
    "granted",
    "sent",
    "keeper",
    "renounced",
    "filtered",
];
/// What a silent client is given, as the policy below has it, and six times that for the whole.
const IDLE: Duration = Duration::from_secs(1);
/// The same with what a busy machine adds.
const TIME: Duration = Duration::from_secs(9);

/// A setuid run that stands still at a step, and what its user has of it.
struct Stopped<'l> {
    lab: &'l Lab,
    /// A helper that is another one.
    listener: u32,
    _run: Running,
    wire: Wire,
    end: SharedEnd,
    what: String,
}

impl<'l> Stopped<'l> {
    fn new(lab: &'l Lab, listener: u32, helper: &Path, step: &str, said: &[Request]) -> Self {
        std::fs::create_dir_all("/run/xsk-helper").unwrap();
        std::fs::write(FILE, step).unwrap();
        let (wire, theirs): (Wire, OwnedFd) = pair(&lab.user);
        let end = SharedEnd(theirs.try_clone().unwrap());
        let run = lab.cmd(helper).user(&lab.user).stdin(theirs).start();
        said.iter().for_each(|request| wire.say(request));
        wait_until(SOON, step, || lab.helpers().iter().any(|p| p.status("State").starts_with('T')));
        Self { lab, listener, _run: run, wire, end, what: step.to_owned() }
    }

    fn helpers(&self) -> Vec<Process> {
        self.lab.keepers(&[self.listener])
    }

    /// The user has a hand in it, and it goes on.
    fn changed(mut self, change: Change) -> Self {
        self.what = format!("{change:?} at {}", self.what);
        let helpers = self.helpers();
        with_credentials(&self.lab.user, || self.end.change(change, &helpers));
        helpers.iter().for_each(|helper| helper.signal(Signal::SIGCONT));
        self
    }

    /// The same once more while it waits, and then a greeting, after which it waits anew.
    fn changed_again(self, change: Change) -> Self {
        std::thread::sleep(Duration::from_millis(50));
        with_credentials(&self.lab.user, || self.end.change(change, &[]));
        let _ = self.wire.send(&codec::encode_request(&Request::Hello(Hello::default())).unwrap());
        self
    }

    /// It ends by itself.
    fn ends(&self) {
        let begin = Instant::now();
        let ended = || self.helpers().is_empty();
        while !ended() {
            assert!(begin.elapsed() < TIME, "{}: still there after {TIME:?}", self.what);
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What is revoked receives nothing, and its queue is free, whatever the user still does.
    fn is_revoked(&self, veth: &Veth) {
        let lab = self.lab;
        // Either it is a lease by then, or the helper has given up.
        let settled = || self.helpers().iter().all(|p| p.status("Seccomp") == "2");
        wait_until(TIME, &self.what, settled);
        let begin = Instant::now();
        let done = lab.cmd(HELPER).arg("revoke").arg(&veth.ifname).run(TIME);
        // A helper that has given up left no lease to end.
        let nothing = done.status.code() == Some(exit::NO_MATCH.into());
        assert!(done.status.success() || nothing, "{}: {done:?}", self.what);
        let took = begin.elapsed();
        assert!(took < TIME, "{}: the revoke took {took:?}", self.what);
        let free = Wire::connect(SOCKET).status();
        assert!(free.leases.is_empty(), "{}: {free:?} after {done:?}", self.what);
        assert!(free.interfaces.iter().all(|i| i.orphans.is_empty()), "{}: {free:?}", self.what);
    }

    /// The rest of it ends on SIGTERM.
    fn is_told_to_end(&self) {
        for helper in self.helpers() {
            let _ = kill(Pid::from_raw(helper.pid as i32), Signal::SIGTERM);
        }
        wait_until(SOON, &format!("{}: the keeper to end", self.what), || {
            self.helpers().is_empty()
        });
    }
}

/// A request for the only queue, with its greeting.
fn asked(veth: &Veth) -> [Request; 2] {
    [Request::Hello(Hello::default()), Request::Acquire(acquire(&veth.ifname, 0, 1))]
}

/// A cable whose rule leaves nobody much time.
fn hurried(lab: &Lab) -> Veth {
    let veth = lab.veth(1);
    lab.policy(&format!(
        "[limits]\nidle_seconds = {}\n[[allow]]\nusers = [{}]\ninterfaces = [\"{}\"]\n",
        IDLE.as_secs(),
        lab.user.uid,
        veth.ifname
    ));
    veth
}

#[test]
fn h33_a_silent_client_holds_no_helper_by_its_end() {
    let lab = lab!();
    let veth = hurried(&lab);
    let helper = match lab.install_stopping_helper() {
        Ok(helper) => helper,
        Err(why) => skip!("{why}"),
    };
    for step in EARLY {
        for change in Change::ALL {
            // By a signal its user ends a run until all its uids have changed, as by kill(2).
            let stopped = Stopped::new(&lab, 0, &helper, step, &[]).changed(change);
            stopped.changed_again(change).ends();
        }
    }
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn h33_whatever_is_done_to_its_end_a_lease_can_be_revoked() {
    let lab = lab!();
    let veth = hurried(&lab);
    let helper = match lab.install_stopping_helper() {
        Ok(helper) => helper,
        Err(why) => skip!("{why}"),
    };
    let listener = lab.listen();
    let begin = Instant::now();
    let mut tried = 0;
    for step in LATE {
        for change in Change::ALL {
            tried += 1;
            let stopped = Stopped::new(&lab, listener.pid(), &helper, step, &asked(&veth));
            let stopped = stopped.changed(change);
            stopped.is_revoked(&veth);
            stopped.is_told_to_end();
            drop(stopped);
            lab.nothing_left(&veth.ifname, &[listener.pid()]);
        }
    }
    lab::say_figure(&format!(
        "{tried} leases with a shared end revoked in {:.0?}",
        begin.elapsed()
    ));
}

/// The keeper waits, and its user fills the connection, or has it wait in a receive.
fn is_beyond_reach(lab: &Lab, veth: &Veth, helper: impl Fn() -> Cmd) {
    let listener = lab.listen();
    for change in Change::ALL {
        let (wire, theirs): (Wire, OwnedFd) = pair(&lab.user);
        let end = SharedEnd(theirs.try_clone().unwrap());
        let run = helper().stdin(theirs).start();
        let grant = wire.get(&veth.ifname, 0, 1).unwrap();
        let keeper = Process::new(grant.granted.keeper).settled();
        run.finish(SOON);
        with_credentials(&lab.user, || end.change(change, &[keeper]));
        for _ in 0..3 {
            let _ = wire.send(b"?");
        }
        std::thread::sleep(Duration::from_millis(20));
        // A connection that hears nothing is one that is closed.
        assert!(
            keeper.is_live() || matches!(change, Change::Shut(_)),
            "{change:?} ended the keeper"
        );
        let pid = Pid::from_raw(keeper.pid as i32);
        let _ = kill(pid, Signal::SIGTERM);
        let over = || Wire::connect(SOCKET).status().leases.is_empty();
        wait_until(SOON, &format!("{change:?}: the lease to end"), over);
        // One whose sockets may still be under way keeps its user's place for that, until it is
        // told again.
        let _ = kill(pid, Signal::SIGTERM);
        wait_until(SOON, &format!("{change:?}: the keeper to end"), || !keeper.is_live());
        drop((wire, end, grant));
        lab.nothing_left(&veth.ifname, &[listener.pid()]);
    }
}

#[test]
fn h33_a_keeper_is_beyond_the_reach_of_its_shared_end() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    is_beyond_reach(&lab, &veth, || lab.bare(&lab.user));
}

#[test]
fn h33_a_keeper_by_pkexec_is_beyond_the_reach_of_its_shared_end() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow(&veth.ifname);
    lab.install_as_packaged(0o755);
    let _polkit = match lab.polkit() {
        Ok(polkit) => polkit,
        Err(why) => skip!("{why}"),
    };
    is_beyond_reach(&lab, &veth, || lab.user_cmd("pkexec").arg(INSTALLED));
}

/// A keeper that does not move is killed, and what it leaves is cleared.
#[test]
fn h33_a_revoke_of_a_keeper_that_stands_still() {
    let lab = lab!();
    let veth = lab.veth(2);
    lab.allow(&veth.ifname);
    let (wire, _run) = lab.exec(&lab.user);
    let grant = wire.get(&veth.ifname, 0, 1).unwrap();
    let keeper = Process::new(grant.granted.keeper).settled();
    keeper.signal(Signal::SIGSTOP);
    let said = lab.cmd(HELPER).args(["revoke", &veth.ifname]).run(SOON).ok().stdout;
    assert!(said.contains("1 lease revoked"), "{said}");
    let killed = format!(
        "keeper {} (uid {}) did not end on SIGTERM and was killed",
        keeper.pid, lab.user.uid
    );
    assert!(said.contains(&killed), "{said}");
    let cleared =
        format!("emptied the slot of queue 0 that keeper {} had left filled; took", keeper.pid);
    assert!(said.contains(&cleared), "{said}");
    assert!(lab.xdp(&veth.ifname).is_none(), "the program stayed although nobody uses it");
    assert!(!keeper.is_live());
    drop((wire, grant));
    lab.nothing_left(&veth.ifname, &[]);
}

/// A socket that works without a lease is named by `reap`, and cut off when somebody asks for that.
#[test]
fn h33_a_socket_that_no_lease_accounts_for_is_named_and_revoked() {
    let lab = lab!();
    let veth = lab.veth(2);
    lab.allow(&veth.ifname);
    let (wire, _run) = lab.exec(&lab.user);
    let grant = wire.get(&veth.ifname, 0, 1).unwrap();
    let keeper = Process::new(grant.granted.keeper).settled();
    keeper.kill();
    lab.no_helpers_but(&[]);
    let command = format!("xsk-helper revoke {} --queue 0", veth.ifname);
    let reap = || lab.cmd(HELPER).arg("reap").run(SOON).ok().stdout;
    assert!(reap().contains(&command), "reap does not name the socket: {}", reap());
    let revoke = |words: &[&str]| lab.cmd(HELPER).arg("revoke").args(words).run(SOON);
    for others in
        [&[veth.ifname.as_str(), "--queue", "1"][..], &["--user", &lab.user.uid.to_string()]]
    {
        let done = revoke(others).exits(66).err_has("no lease matches");
        assert_eq!(done.stdout.lines().count(), 1, "what was not asked for was cleared");
    }
    assert!(reap().contains(&command));
    let said = revoke(&[&veth.ifname, "--queue", "0"]).ok().stdout;
    assert!(said.contains("0 leases revoked"), "{said}");
    assert!(
        said.contains("emptied the slot of queue 0 that no lease accounted for; took"),
        "{said}"
    );
    assert!(lab.xdp(&veth.ifname).is_none());
    assert!(!reap().contains(&command));
    drop((wire, grant));
    lab.nothing_left(&veth.ifname, &[]);
}
