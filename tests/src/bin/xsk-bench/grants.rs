// SPDX-License-Identifier: MIT OR Apache-2.0
//! The time from the first system call of a client to the sockets in its hands.

use std::path::Path;
use std::time::{Duration, Instant};

use xsk_tests::lab::bare::Bare;
use xsk_tests::lab::proc::Process;
use xsk_tests::lab::wire::{Leased, with_credentials};
use xsk_tests::lab::{Lab, SOCKET, SOON, Veth, Wire, wait_until};

use crate::reference;
use crate::row::{Row, median};

const WARM_ROUNDS: usize = 200;
const EXEC_ROUNDS: usize = 25;

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// The lease ends, and the next one finds everything as this one did.
fn ends(wire: Wire, grant: Leased) {
    let keeper = Process::new(grant.granted.keeper);
    drop((wire, grant));
    wait_until(SOON, "the keeper to end", || !keeper.is_live());
}

/// A further lease on an interface that has one, over a listener.
pub(crate) fn warm(lab: &Lab, veth: &Veth) -> Row {
    let listener = lab.listen();
    let held = lab.wire();
    let first = held.get(&veth.ifname, 0, 1).unwrap();
    let bare = Bare::new(first.granted.ifindex);
    let (mut ours, mut least) = (Vec::new(), Vec::new());
    for _ in 0..WARM_ROUNDS {
        let (time, wire, grant) = with_credentials(&lab.user, || {
            let begin = Instant::now();
            let wire = Wire::try_connect(SOCKET).unwrap();
            let grant = wire.get_at_once(&veth.ifname, 1, 1);
            (begin.elapsed(), wire, grant)
        });
        ours.push(micros(time));
        ends(wire, grant);
        let begin = Instant::now();
        let socket = bare.grant();
        least.push(micros(begin.elapsed()));
        drop(socket);
    }
    ends(held, first);
    lab.nothing_left(&veth.ifname, &[listener.pid()]);
    Row {
        name: "grant, warm, over listen",
        ours: median(ours),
        reference: Some(median(least)),
        unit: "us",
        how: format!(
            "connect to sockets received, program on the interface already; against socket, pin, map insert, sendmsg \
             and recvmsg; median of {WARM_ROUNDS}"
        ),
    }
}

/// A lease by an exec of the setuid helper, on an interface without the program and on one that has
/// it.
pub(crate) fn by_exec(
    lab: &Lab,
    (single, many): (&Veth, &Veth),
    libxdp: Option<&Path>,
) -> Vec<Row> {
    let (mut cold, mut warm, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    let (held, run) = lab.exec(&lab.user);
    let first = held.get(&many.ifname, 0, 1).unwrap();
    run.finish(SOON).ok();
    for _ in 0..EXEC_ROUNDS {
        cold.push(exec(lab, single, 0));
        lab.no_program(&single.ifname);
        warm.push(exec(lab, many, 1));
        if let Some(program) = libxdp {
            theirs.push(reference::run(lab, program, "setup IFNAME", single)[0] / 1e6);
        }
    }
    ends(held, first);
    lab.nothing_left(&many.ifname, &[]);
    let reference = libxdp.map(|_| median(theirs));
    let row = |name, ours, what: &str| Row {
        name,
        ours: median(ours),
        reference,
        unit: "ms",
        how: format!(
            "fork and exec of the setuid helper to sockets received, {what}; against xsk_umem__create and \
             xsk_socket__create of libxdp in a process that runs (no dispatcher, no program there); median of {EXEC_ROUNDS}"
        ),
    };
    vec![
        row("grant, cold, by exec of the helper", cold, "no program on the interface"),
        row("grant, warm, by exec of the helper", warm, "the program on the interface"),
    ]
}

/// The milliseconds of one.
fn exec(lab: &Lab, veth: &Veth, queue: u32) -> f64 {
    let begin = Instant::now();
    let (wire, run) = lab.exec(&lab.user);
    let grant = wire.get_at_once(&veth.ifname, queue, 1);
    let time = micros(begin.elapsed()) / 1e3;
    ends(wire, grant);
    run.finish(SOON).ok();
    time
}
