// SPDX-License-Identifier: MIT OR Apache-2.0
//! A real driver with several queues, virtio-net as a VM of `make vm` has it: native mode, and two
//! users on two queues of one card, with traffic from the other end, which is the machine that runs
//! the VM.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use xsk_socket::Bound;
use xsk_tests::lab::nic::{self, Nic};
use xsk_tests::lab::wire::{Leased, with_credentials};
use xsk_tests::lab::{self, SOCKET, SOON, User, Wire, afxdp};
use xsk_tests::proto::Mode;

/// Everything is slow in an emulated machine.
const LONG: Duration = Duration::from_secs(60);

/// A lease of one queue, with its bound socket.
struct Holder {
    bound: Bound,
    _wire: Wire,
}

fn holds(user: &User, nic: &Nic, queue: u32) -> Holder {
    let wire = Wire::connect_as(SOCKET, user);
    let Leased { granted, mut sockets } = wire.get(&nic.ifname, queue, 1).unwrap();
    assert_eq!(granted.mode, Mode::Native, "{}", granted.mode_reason);
    assert!(granted.confinement.device);
    let socket = sockets.remove(0);
    let bound =
        with_credentials(user, || afxdp::bind_within(socket, nic.ifindex, queue, SOON)).unwrap();
    Holder { bound, _wire: wire }
}

/// What has come back from the other end by now.
fn arrived(nic: &Nic, holder: &mut Holder) -> Vec<String> {
    let _ = holder.bound.wait(Some(Duration::from_millis(20))).unwrap();
    let batch = holder.bound.recv(64);
    batch.iter().filter_map(|frame| nic.echoed(frame)).map(|(_, text)| text).collect()
}

/// Sends until the other end's answer arrives. A flow's answers come by the queue that it was sent
/// on.
fn converses(nic: &Nic, holder: &mut Holder, address: u8, text: &str) {
    let end = Instant::now() + LONG;
    while Instant::now() < end {
        holder.bound.send(&nic.datagram(address, text)).unwrap();
        holder.bound.flush().unwrap();
        let pause = Instant::now() + Duration::from_millis(500);
        while Instant::now() < pause {
            if arrived(nic, holder).iter().any(|found| found == text) {
                return;
            }
        }
    }
    panic!("no answer to {text:?}");
}

#[test]
fn two_users_have_two_queues_of_a_card_in_native_mode() {
    let Some((nic, lab)) = nic::lab_with("virtio_net") else { return };
    lab.channels(&nic, 2);
    let other = lab.share();
    let listener = lab.listen();
    let mut first = holds(&lab.user, &nic, 0);
    let mut second = holds(&other, &nic, 1);
    assert_eq!(lab.xdp(&nic.ifname).unwrap().mode, "xdp");
    for round in 0..5 {
        converses(&nic, &mut first, 2, &format!("user 0 round {round}"));
        converses(&nic, &mut second, 3, &format!("user 1 round {round}"));
    }
    // What is in flight still belongs to one of them alone.
    assert!(arrived(&nic, &mut first).iter().all(|text| text.starts_with("user 0")));
    assert!(arrived(&nic, &mut second).iter().all(|text| text.starts_with("user 1")));
    let zero_copy = first.bound.zero_copy();
    // One goes, and the other does not notice.
    drop(first);
    lab::wait_until(SOON, "the first lease to end", || lab.keepers(&[listener.pid()]).len() == 1);
    converses(&nic, &mut second, 3, "user 1 alone");
    drop(second);
    lab.nothing_left(&nic.ifname, &[listener.pid()]);
    lab::say_feature("native on virtio-net", "yes");
    lab::say_feature("zero-copy", if zero_copy { "virtio-net" } else { "not virtio-net" });
}

#[test]
fn a_queue_that_the_card_does_not_use_is_refused() {
    let Some((nic, lab)) = nic::lab_with("virtio_net") else { return };
    lab.channels(&nic, 1);
    lab.allow(&nic.ifname);
    let (wire, _run) = lab.exec(&lab.user);
    let refused = wire.is_refused(&nic.ifname, 1, 1, xsk_tests::proto::Code::QueueRange);
    assert!(!refused.hint.is_empty(), "{refused:?}");
    drop(wire);
    lab.nothing_left(&nic.ifname, &[]);
}

#[test]
fn the_backend_answers_the_machine_outside() {
    let Some((nic, lab)) = nic::lab_with("virtio_net") else { return };
    lab.channels(&nic, 2);
    lab.allow(&nic.ifname);
    lab.backend_answers(&nic, "(native, ", Duration::from_secs(6));
    lab.nothing_left(&nic.ifname, &[]);
}

#[test]
fn a_guests_own_address_passes_the_filter() {
    let Some((nic, lab)) = nic::lab_with("virtio_net") else { return };
    lab.channels(&nic, 1);
    lab.guest_passes_the_filter(&nic);
}
