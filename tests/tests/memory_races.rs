// SPDX-License-Identifier: MIT OR Apache-2.0
//! The process whose limit of locked memory is to be raised becomes another one's meanwhile, line
//! 42 of the list: `make vm` runs these, since raising a limit needs CAP_SYS_RESOURCE.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use caps::{CapSet, Capability};
use nix::sys::resource::Resource;
use nix::sys::signal::Signal;
use nix::unistd::pipe;
use xsk_tests::lab::proc::Process;
use xsk_tests::lab::wire::{acquire, own_pair};
use xsk_tests::lab::{self, Lab, Running, SOON, Veth, wait_for, wait_until};
use xsk_tests::proto::{Acquire, Hello, Param, Request, Value, param};

/// Where the helper reads at which step it is to stand still.
const STEP: &str = "/run/xsk-helper/failpoint";
/// What the consumer starts with, and asks for.
const BEFORE: u64 = 64 << 10;
const ASKED: u64 = 32 << 20;
/// What the consumer is to do; only it has this variable.
const TASK: &str = "XSK_CHANGELING";

/// Plays the consumer: starts a helper of its own, asks, and once it is told so executes a program.
#[test]
#[allow(clippy::zombie_processes, reason = "this process becomes a program that waits for nobody")]
fn changeling() {
    let Ok(task) = std::env::var(TASK) else { return };
    let (helper, program) = task.split_once(' ').unwrap();
    let (wire, theirs) = own_pair();
    Command::new(helper).stdin(theirs).spawn().unwrap();
    wire.say(&Request::Hello(Hello::default()));
    let params = vec![Param { name: param::MEMLOCK.into(), value: Value::Number(ASKED) }];
    wire.say(&Request::Acquire(Acquire { params, ..acquire("eth1", 0, 1) }));
    println!("asked");
    std::io::stdout().flush().unwrap();
    let _ = std::io::stdin().read(&mut [0]);
    panic!("{}", Command::new(program).arg("600").exec());
}

/// A consumer, the helper that it has started and that stands still, and what is to happen to it.
struct Race {
    lab: Lab,
    veth: Veth,
    consumer: Running,
    /// The consumer goes on when this is dropped.
    hold: Option<std::os::fd::OwnedFd>,
    sleeper: PathBuf,
}

impl Race {
    /// Says why where there is none.
    fn new(step: &str) -> Option<Self> {
        let lab = Lab::new().map_err(|why| lab::say_skipped(&why)).ok()?;
        if !caps::has_cap(None, CapSet::Permitted, Capability::CAP_SYS_RESOURCE).unwrap() {
            lab::say_elsewhere("root has no CAP_SYS_RESOURCE here");
            return None;
        }
        let helper = lab.install_stopping_helper().map_err(|why| lab::say_skipped(&why)).ok()?;
        let veth = lab.veth(1);
        let uid = lab.user.uid;
        lab.policy(&format!(
            "[[allow]]\nusers = [{uid}]\ninterfaces = [\"*\"]\nmemlock_mib = 64\n"
        ));
        std::fs::create_dir_all(Path::new(STEP).parent().unwrap()).unwrap();
        std::fs::write(STEP, step).unwrap();
        let sleeper = lab.copy("/usr/bin/sleep".as_ref(), "sleeper");
        std::fs::set_permissions(&sleeper, std::fs::Permissions::from_mode(0o4755)).unwrap();
        let (read, hold) = pipe().unwrap();
        let mut consumer = lab
            .cmd(lab.copy(&std::env::current_exe().unwrap(), "changeling"))
            .user(&lab.user)
            .args(["--exact", "changeling", "--nocapture"])
            .env(TASK, format!("{} {}", helper.display(), sleeper.display()))
            .rlimit(Resource::RLIMIT_MEMLOCK, BEFORE)
            .stdin(read)
            .start();
        consumer.says("asked", SOON);
        let race = Self { lab, veth, consumer, hold: Some(hold), sleeper };
        wait_until(SOON, step, || race.stopped().is_some());
        Some(race)
    }

    fn stopped(&self) -> Option<Process> {
        self.lab.helpers().into_iter().find(|helper| helper.status("State").starts_with('T'))
    }

    fn goes_on(&self) {
        self.stopped().unwrap().signal(Signal::SIGCONT);
    }

    /// The consumer is root's.
    fn executes_a_setuid_program(&mut self) -> Process {
        self.hold = None;
        let process = Process::new(self.consumer.pid());
        wait_until(SOON, "the consumer to be root's", || process.uids()[1] == 0);
        process
    }

    fn ends(self) {
        self.consumer.kill();
        self.lab.no_helpers_but(&[]);
        self.lab.nothing_left(&self.veth.ifname, &[]);
    }
}

/// The soft and the hard limit.
fn limits(process: Process) -> Vec<u64> {
    let text = std::fs::read_to_string(format!("/proc/{}/limits", process.pid)).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Max locked memory")).unwrap();
    line.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

#[test]
fn h42_a_setuid_program_that_the_client_executes_keeps_its_limit() {
    let Some(mut race) = Race::new("unlocked") else { return };
    let process = race.executes_a_setuid_program();
    race.goes_on();
    race.lab.no_helpers_but(&[]);
    assert_eq!(limits(process), [BEFORE, BEFORE]);
    race.ends();
}

#[test]
fn h42_a_setuid_program_that_the_client_has_executed_too_late_gets_its_limit_back() {
    let Some(mut race) = Race::new("raised") else { return };
    let process = Process::new(race.consumer.pid());
    assert_eq!(limits(process), [ASKED, ASKED]);
    race.executes_a_setuid_program();
    race.goes_on();
    race.lab.no_helpers_but(&[]);
    assert_eq!(limits(process), [BEFORE, BEFORE]);
    race.ends();
}

#[test]
fn h42_a_process_that_got_the_number_of_the_client_keeps_its_limit() {
    let Some(race) = Race::new("unlocked") else { return };
    let pid = race.consumer.pid();
    Process::new(pid).signal(Signal::SIGKILL);
    wait_until(SOON, "the consumer to end", || !Process::new(pid).is_live());
    let Race { lab, veth, consumer, sleeper, hold: _hold } = race;
    consumer.finish(SOON);
    let other = lab.another_user();
    let next = || {
        std::fs::write("/proc/sys/kernel/ns_last_pid", (pid - 1).to_string()).ok()?;
        let next = lab
            .cmd(&sleeper)
            .user(&other)
            .arg("600")
            .rlimit(Resource::RLIMIT_MEMLOCK, BEFORE)
            .start();
        (next.pid() == pid).then_some(next)
    };
    let next = wait_for(SOON, "a process with the number of the consumer", next);
    let stopped = lab.helpers().into_iter().find(|helper| helper.status("State").starts_with('T'));
    stopped.unwrap().signal(Signal::SIGCONT);
    lab.no_helpers_but(&[]);
    assert_eq!(limits(Process::new(pid)), [BEFORE, BEFORE]);
    next.kill();
    lab.nothing_left(&veth.ifname, &[]);
}
