// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two hundred leases at once on one host, and leases whose helpers all die, in figures.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use xsk_tests::lab;
use xsk_tests::lab::packet::Tap;
use xsk_tests::lab::proc::Process;
use xsk_tests::lab::{HELPER, Lab, Running, SOCKET, SOON, Stopper, Veth, Wire, wait_until};

const CABLES: u32 = 50;
const QUEUES: u32 = 4;

fn median(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    sorted[sorted.len() / 2]
}

#[test]
fn two_hundred_leases_at_once() {
    let lab = lab!();
    let uid = lab.user.uid;
    lab.policy(&format!(
        "[[allow]]\nusers = [{uid}]\ninterfaces = [\"eth*\"]\nmax_leases = 300\n[limits]\nconnections = 300\n"
    ));
    let cables: Vec<Veth> = (0..CABLES).map(|_| lab.veth(QUEUES)).collect();
    let listener = lab.listen();
    let (mut leases, mut times) = (Vec::new(), Vec::new());
    for veth in &cables {
        for queue in 0..QUEUES {
            let begin = Instant::now();
            let wire = lab.wire();
            let grant = wire.get(&veth.ifname, queue, 1).unwrap();
            times.push(begin.elapsed());
            leases.push((wire, grant));
        }
    }
    let (first, last) = (median(&times[..50]), median(&times[150..]));
    let cold = |from: usize| {
        let cold: Vec<_> =
            times[from..from + 50].iter().step_by(QUEUES as usize).copied().collect();
        median(&cold)
    };
    lab::say_figure(&format!(
        "time a lease: median of the first 50 {first:.1?} (with a program to load {:.1?}), of the last 50 {last:.1?} \
         ({:.1?})",
        cold(0),
        cold(148)
    ));
    let keepers: BTreeSet<u32> = leases.iter().map(|(_, grant)| grant.granted.keeper).collect();
    assert_eq!(keepers.len(), 200, "a lease a keeper");
    let mut memory: Vec<u64> =
        keepers.iter().map(|pid| Process::new(*pid).settled().pss()).collect();
    memory.sort();
    lab::say_figure(&format!(
        "proportional memory of a keeper among 200: median {} KiB",
        memory[100]
    ));
    assert_eq!(Wire::connect(SOCKET).status().leases.len(), 200);
    one_event_wakes_the_keepers_of_one_interface(&cables[0], &leases);
    assert!(
        last < first * 4 + Duration::from_millis(5),
        "the 200th lease takes {last:?}, the first {first:?}"
    );
    drop(leases);
    lab.no_helpers_but(&[listener.pid()]);
    wait_until(SOON, "every program to go", || lab.programs().is_empty() && lab.pins().is_empty());
    assert!(Wire::connect(SOCKET).status().leases.is_empty());
}

/// Voluntary switches of a process: how often it has waited.
fn switches(pid: u32) -> u64 {
    Process::new(pid).status("voluntary_ctxt_switches").parse().unwrap()
}

fn one_event_wakes_the_keepers_of_one_interface(veth: &Veth, leases: &[(Wire, lab::wire::Leased)]) {
    let count =
        || -> Vec<u64> { leases.iter().map(|(_, grant)| switches(grant.granted.keeper)).collect() };
    wait_until(SOON, "the keepers to be at rest", || {
        let before = count();
        std::thread::sleep(Duration::from_millis(50));
        before == count()
    });
    let before = count();
    lab::link::ip(&["link", "set", "dev", &veth.ifname, "down"]);
    assert!(leases[0].0.readable(SOON), "the client is not told that its interface is down");
    let woken = count().iter().zip(&before).filter(|(after, before)| after > before).count();
    assert!(
        (1..=QUEUES as usize).contains(&woken),
        "{woken} keepers woke for an event of one interface"
    );
    lab::say_figure(&format!("{woken} of 200 keepers woke when one interface went down"));
}

/// To the backend, which sends it back with the addresses exchanged.
fn frame(number: u32) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5];
    frame.extend(number.to_be_bytes());
    frame.resize(60, 0);
    frame
}

fn number(frame: &[u8]) -> Option<u32> {
    let came_back =
        frame.len() >= 18 && frame[..6] == [2, 0, 0, 0, 0, 1] && frame[12..14] == [0x88, 0xb5];
    came_back.then(|| u32::from_be_bytes(frame[14..18].try_into().unwrap()))
}

fn backend(lab: &Lab, veth: &Veth) -> Running {
    let mut running = lab
        .user_cmd("xsk-client")
        .args(["run", "--socket", SOCKET, "--"])
        .arg(lab.bin("xsk-backend"))
        .args(["--netdev", &format!("af-xdp,id=n0,ifname={}", veth.ifname), "--peer", "reflect"])
        .start();
    running.says("ready:", SOON);
    running
}

/// Sends numbered frames until it is told to stop; how many, and which came back.
fn exchange(mut out: Tap, mut back: Tap, stop: &AtomicBool) -> (u32, BTreeSet<u32>) {
    std::thread::scope(|scope| {
        let sender = scope.spawn(move || {
            let mut sent = 0;
            while !stop.load(Ordering::Relaxed) {
                out.send(&frame(sent));
                sent += 1;
                std::thread::sleep(Duration::from_micros(500));
            }
            sent
        });
        let mut seen = BTreeSet::new();
        let mut take = |within| match back.receive(within, |frame| number(frame).is_some()) {
            Some(frame) => seen.insert(number(&frame).unwrap()),
            None => false,
        };
        while !stop.load(Ordering::Relaxed) {
            take(Duration::from_millis(20));
        }
        while take(Duration::from_millis(300)) {}
        (sender.join().unwrap(), seen)
    })
}

#[test]
fn an_upgrade_of_every_helper_loses_no_frame() {
    let lab = lab!();
    let cables: Vec<Veth> = (0..3).map(|_| lab.veth(1)).collect();
    let spare = lab.veth(1);
    lab.allow("eth*");
    let mut listener = Some(lab.listen());
    let running: Vec<Running> = cables.iter().map(|veth| backend(&lab, veth)).collect();
    let stop = AtomicBool::new(false);
    let taps: Vec<(Tap, Tap)> =
        cables.iter().map(|veth| (lab.peer_tap(veth), lab.peer_tap(veth))).collect();
    let counted = std::thread::scope(|scope| {
        let (at_the_end, stop) = (Stopper(&stop), &stop);
        let exchanges: Vec<_> = taps
            .into_iter()
            .map(|(out, back)| scope.spawn(move || exchange(out, back, stop)))
            .collect();
        std::thread::sleep(Duration::from_millis(300));
        drop(listener.take().map(Running::kill));
        lab.helpers().iter().for_each(|p| p.kill());
        lab.install_helper(0o4750);
        let replaced = lab.listen();
        for _ in 0..3 {
            lab.cmd(HELPER).arg("reap").run(SOON).ok();
            let wire = lab.wire();
            drop(wire.get(&spare.ifname, 0, 1).unwrap());
            lab.keepers(&[replaced.pid()]).iter().for_each(|p| p.kill());
            std::thread::sleep(Duration::from_millis(200));
        }
        listener = Some(replaced);
        drop(at_the_end);
        exchanges.into_iter().map(|exchange| exchange.join().unwrap()).collect::<Vec<_>>()
    });
    let (sent, back): (u32, usize) =
        counted.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1.len()));
    lab::say_figure(&format!(
        "every helper killed and replaced under 3 running backends: {sent} frames sent, {} lost",
        sent as usize - back
    ));
    assert!(sent > 500, "hardly anything was sent: {sent}");
    assert_eq!(back, sent as usize, "frames were lost");
    running.into_iter().for_each(|running| drop(running.kill()));
    let listener = listener.unwrap();
    lab.no_helpers_but(&[listener.pid()]);
    lab.cmd(HELPER).arg("reap").run(SOON).ok();
    wait_until(SOON, "every program to go", || lab.programs().is_empty() && lab.pins().is_empty());
}
