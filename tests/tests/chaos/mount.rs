// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two helpers that are the first on a host without a mount unit: a second bpffs upon the first
//! would hide what is pinned there.

use nix::sys::signal::Signal;
use xsk_tests::lab::SOON;

use crate::failpoints::{asked, stands, stop_at};

/// How many mounts there are where the helper has its bpffs.
fn mounts() -> usize {
    let all = std::fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
    all.matches(" /run/xsk-helper/bpf ").count()
}

#[test]
fn whoever_comes_second_finds_the_first_ones_bpffs() {
    let lab = xsk_tests::lab!();
    let helper = match lab.install_stopping_helper() {
        Ok(helper) => helper,
        Err(why) => xsk_tests::skip!("{why}"),
    };
    let veth = lab.veth(2);
    lab.allow(&veth.ifname);
    stop_at("mount");
    let (second, running) = asked(&lab, &helper, &lab.user, &veth.ifname, 1);
    let stopped = stands(&lab, "mount", &running);
    stop_at("");
    // A host's own bpffs is hidden in here, and is listed all the same.
    let before = mounts();
    let (wire, _run) = lab.exec(&lab.user);
    let first = wire.get(&veth.ifname, 0, 1).unwrap();
    stopped.signal(Signal::SIGCONT);
    second.reply();
    let (_granted, sockets) = second.reply();
    assert_eq!(sockets.len(), 1, "no grant for the second");
    assert_eq!(mounts(), before + 1, "one bpffs");
    drop((wire, first, second, sockets));
    running.finish(SOON).ok();
    lab.nothing_left(&veth.ifname, &[]);
}
