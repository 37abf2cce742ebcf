// SPDX-License-Identifier: MIT OR Apache-2.0
//! A client written from `PROTOCOL.md` alone understands us, and we it: `client.py`, which reads
//! the page's tables.

#![allow(clippy::unwrap_used)]

mod samples;

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{Child, Command, Stdio};

use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags,
    SocketType,
};
use xsk_proto::codec::{decode_request, encode_reply};
use xsk_proto::{Granted, MAX_REQUEST, ModeRequest, Reply, Request};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/PROTOCOL.md");
const CLIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/client.py");

/// Says that the running test was skipped, and why; panics where `CI` is `true`. The harness
/// captures `eprintln!`, and nothing that is written to standard error itself.
fn skipped(why: &str) {
    assert!(std::env::var_os("CI").is_none_or(|value| value != "true"), "SKIPPED: {why}");
    let line = format!("SKIPPED: {}: {why}\n", std::thread::current().name().unwrap_or("?"));
    let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
}

/// Returns whether there is a Python.
fn python_is_here() -> bool {
    let here =
        Command::new("python3").arg("--version").output().is_ok_and(|out| out.status.success());
    if !here {
        skipped("no python3 on this machine, so the independent client did not run");
    }
    here
}

fn pair() -> (OwnedFd, OwnedFd) {
    let flags = SocketFlags::CLOEXEC;
    rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap()
}

#[test]
fn decodes_every_vector_by_the_tables_alone() {
    if !python_is_here() {
        return;
    }
    let out = Command::new("python3").args([CLIENT, "check", PAGE]).output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{text}{}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(
        text.lines().count(),
        samples::requests().len() + samples::replies().len(),
        "{text}"
    );
}

fn start(input: OwnedFd) -> Child {
    let mut command = Command::new("python3");
    command.args([CLIENT, "talk", PAGE, "eth1"]).stdin(input).stdout(Stdio::piped());
    command.spawn().unwrap()
}

fn receive(connection: &OwnedFd) -> Request {
    let mut packet = [0; MAX_REQUEST + 1];
    let (length, _) = rustix::net::recv(connection, &mut packet[..], RecvFlags::empty()).unwrap();
    decode_request(&packet[..length]).unwrap()
}

fn send(connection: &OwnedFd, reply: &Reply, descriptors: &[BorrowedFd<'_>]) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        assert!(control.push(SendAncillaryMessage::ScmRights(descriptors)));
    }
    let packet = encode_reply(reply).unwrap();
    let packet = [std::io::IoSlice::new(&packet)];
    rustix::net::sendmsg(connection, &packet, &mut control, SendFlags::empty()).unwrap();
}

/// A grant of three queues whose "sockets" tell us, when written to, where in the order they
/// arrived.
fn granted() -> Granted {
    let granted = samples::replies().into_iter().find_map(|(_, reply)| match reply {
        Reply::Granted(granted) => Some(granted),
        _ => None,
    });
    Granted { queues: 3, ..granted.unwrap() }
}

#[test]
fn talks_to_us() {
    if !python_is_here() {
        return;
    }
    let (ours, theirs) = pair();
    let client = start(theirs);
    assert_eq!(receive(&ours), Request::Hello(xsk_proto::Hello::default()));
    send(&ours, &Reply::Welcome { version: 1, helper: "test".to_owned() }, &[]);
    let Request::Acquire(wanted) = receive(&ours) else { panic!("no acquire") };
    assert_eq!(
        (wanted.ifname.as_str(), wanted.queues, wanted.mode),
        ("eth1", 3, ModeRequest::Auto)
    );

    let pairs = [pair(), pair(), pair()];
    send(
        &ours,
        &Reply::Granted(granted()),
        &[pairs[0].1.as_fd(), pairs[1].1.as_fd(), pairs[2].1.as_fd()],
    );
    let out = client.wait_with_output().unwrap();
    assert!(out.status.success());
    let report: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(report["welcome"][1]["helper"], "test");
    assert_eq!(report["granted"][1]["mac"], "02:00:00:00:00:2a");
    for (place, (near, _)) in pairs.iter().enumerate() {
        let mut byte = [0; 4];
        let (length, _) = rustix::net::recv(near, &mut byte[..], RecvFlags::DONTWAIT).unwrap();
        assert_eq!(byte[..length], *place.to_string().as_bytes());
    }
}
