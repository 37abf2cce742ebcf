// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a user does to the scheduling of a setuid program that they start, line 34 of the list:
//! nobody else waits for it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::time::{Duration, Instant};

use xsk_tests::lab::proc::Process;
use xsk_tests::lab::{Cmd, Lab, Running, SOON, User, Veth, say_figure, wire};
use xsk_tests::proto::{Code, Request};
use xsk_tests::{lab, skip};

/// Longer than the two seconds that a request waits for another one's lock.
const BOUND: Duration = Duration::from_secs(3);

/// The fields of `/proc/PID/stat` from the third on, so that field N of proc(5) is `[N - 3]`.
fn stat(process: Process) -> Vec<i64> {
    let line = fs::read_to_string(format!("/proc/{}/stat", process.pid)).unwrap();
    let rest = line.rsplit(')').next().unwrap().split_whitespace();
    rest.map(|field| field.parse().unwrap_or(0)).collect()
}

/// Policy, nice, processors, timer slack, oom score and class of I/O.
fn schedule(process: Process) -> [String; 6] {
    let file = |name: &str| fs::read_to_string(format!("/proc/{}/{name}", process.pid)).unwrap();
    let fields = stat(process);
    let io = std::process::Command::new("ionice")
        .args(["-p", &process.pid.to_string()])
        .output()
        .unwrap();
    [
        fields[41 - 3].to_string(),
        fields[19 - 3].to_string(),
        process.status("Cpus_allowed_list"),
        file("timerslack_ns").trim().to_owned(),
        file("oom_score_adj").trim().to_owned(),
        String::from_utf8(io.stdout).unwrap().trim().to_owned(),
    ]
}

#[test]
fn h34_a_starved_run_is_scheduled_as_any_other() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow("*");
    let keeper = |change: &dyn Fn(Cmd) -> Cmd| {
        let (wire, theirs) = wire::pair(&lab.user);
        let run = change(lab.bare(&lab.user)).stdin(theirs).start();
        let grant = wire.get(&veth.ifname, 0, 1).unwrap();
        run.finish(SOON).ok();
        let found = schedule(Process::new(grant.granted.keeper).settled());
        drop((wire, grant));
        lab.nothing_left(&veth.ifname, &[]);
        found
    };
    assert_eq!(keeper(&|c| c.starved()), keeper(&|c| c));
}

/// Programs of the user's that take all that they are given of the first processor.
fn spinners(start: &dyn Fn() -> Cmd) -> [Running; 2] {
    let spin = || start().args(["taskset", "1", "sh", "-c", "while :; do :; done"]).start();
    [spin(), spin()]
}

/// A run of a helper whose client asks for a queue and leaves at once: the program is attached and
/// detached again, all of it at the pace of that run.
fn attack(lab: &Lab, veth: &Veth, helper: Cmd) -> Running {
    let (wire, theirs) = wire::pair(&lab.user);
    let run = helper.stdin(theirs).start();
    wire.say(&Request::Hello(Default::default()));
    wire.say(&Request::Acquire(wire::acquire(&veth.ifname, 0, 1)));
    run
}

/// The longest that a user waits for a grant during these runs.
fn slowest_beside(lab: &Lab, veth: &Veth, user: &User, runs: Vec<Running>) -> Duration {
    let mut slowest = Duration::ZERO;
    let end = Instant::now() + SOON;
    while Instant::now() < end {
        let begin = Instant::now();
        let (second, _run) = lab.exec(user);
        match second.get(&veth.ifname, 1, 1) {
            Ok(grant) => drop(grant),
            Err(refused) => assert_eq!(refused.code, Code::Busy, "{refused:?}"),
        }
        slowest = slowest.max(begin.elapsed());
    }
    drop(runs);
    slowest
}

/// Another user does not wait much longer for these runs than for what else the machine does, the
/// spinners included.
fn holds_nobody_up(lab: &Lab, veth: &Veth, spinner: &dyn Fn() -> Cmd, helper: &dyn Fn() -> Cmd) {
    let other = lab.share();
    let spinning = spinners(spinner);
    let without = slowest_beside(lab, veth, &other, Vec::new());
    let attacks = (0..3).map(|_| attack(lab, veth, helper())).collect();
    let with = slowest_beside(lab, veth, &other, attacks);
    drop(spinning);
    say_figure(&format!(
        "another user waited at most {without:?} without such runs, {with:?} beside them"
    ));
    assert!(
        with < BOUND + 4 * without,
        "another user waited for {with:?}, without such runs for {without:?}"
    );
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn h34_starved_runs_hold_nobody_up() {
    let lab = lab!();
    let veth = lab.veth(4);
    holds_nobody_up(&lab, &veth, &|| lab.user_cmd("env"), &|| lab.bare(&lab.user).starved());
}

#[test]
fn h34_a_run_leaves_the_control_group_of_its_user() {
    let lab = lab!();
    let veth = lab.veth(1);
    lab.allow("*");
    let group = match lab.usual_control_group() {
        Ok(group) => group,
        Err(why) => skip!("{why}"),
    };
    let (wire, theirs) = wire::pair(&lab.user);
    let run = lab.bare_in(&group, &lab.user).stdin(theirs).start();
    let grant = wire.get(&veth.ifname, 0, 1).unwrap();
    run.finish(SOON).ok();
    let keeper = Process::new(grant.granted.keeper).settled();
    let own = fs::read_to_string(format!("/proc/{}/cgroup", keeper.pid)).unwrap();
    assert!(own.lines().any(|line| line == "0::/xsk-helper"), "{own}");
    assert!(group.processes().is_empty());
    group.freeze();
    group.kill();
    group.thaw();
    assert!(keeper.is_live());
    drop((wire, grant));
    lab.nothing_left(&veth.ifname, &[]);
}

#[test]
fn h34_a_quota_of_the_user_holds_nobody_up() {
    let lab = lab!();
    let veth = lab.veth(4);
    let group = match lab.usual_control_group() {
        Ok(group) => group,
        Err(why) => skip!("{why}"),
    };
    if let Err(why) = group.quota(10) {
        return lab::say_elsewhere(&why);
    }
    let inside = || lab.user_cmd_in(&group, &lab.user);
    holds_nobody_up(&lab, &veth, &inside, &|| lab.bare_in(&group, &lab.user));
}
