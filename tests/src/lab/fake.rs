// SPDX-License-Identifier: MIT OR Apache-2.0
//! A helper that breaks the protocol, to see how the client reacts.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::thread::JoinHandle;

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, accept4, bind, listen, socket,
};
use xsk_proto::{Acquire, Confinement, Granted, Mode, Reply, Request, codec};

use super::wire::Wire;
use super::{Lab, SOON, sys};

/// Where it listens.
pub const PATH: &str = "/run/xsk-lab/fake";

/// A helper that serves one connection.
#[derive(Debug)]
pub struct Fake(JoinHandle<()>);

impl Fake {
    /// Grants as many queues as it promises, and sends these descriptors whatever it promised.
    pub fn granting(lab: &Lab, promised: u32, sockets: Vec<OwnedFd>) -> Self {
        let _ = std::fs::remove_file(PATH);
        let listener =
            socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None).unwrap();
        bind(listener.as_raw_fd(), &UnixAddr::new(PATH).unwrap()).unwrap();
        sys::chmod(PATH.as_ref(), 0o666);
        listen(&listener, Backlog::new(1).unwrap()).unwrap();
        let (ifname, ifindex) = ("eth1".to_owned(), lab.ifindex("eth1"));
        Self(std::thread::spawn(move || {
            serve(&listener, &sockets, granted(ifname, ifindex, promised))
        }))
    }

    /// Waits until the client has gone.
    pub fn done(self) {
        self.0.join().unwrap();
    }
}

fn serve(listener: &OwnedFd, sockets: &[OwnedFd], granted: Granted) {
    let wire = Wire::from(sys::own(accept4(listener.as_raw_fd(), SockFlag::SOCK_CLOEXEC).unwrap()));
    loop {
        let packet = wire.receive().unwrap();
        let answer = match codec::decode_request(&packet.bytes) {
            Ok(Request::Hello(_)) => Reply::Welcome { version: 1, helper: "fake".into() },
            Ok(Request::Acquire(Acquire { .. })) => break,
            other => panic!("the client said {other:?}"),
        };
        wire.send(&codec::encode_reply(&answer).unwrap()).unwrap();
    }
    let fds: Vec<RawFd> = sockets.iter().map(AsRawFd::as_raw_fd).collect();
    wire.send_with(&codec::encode_reply(&Reply::Granted(granted)).unwrap(), &fds).unwrap();
    assert!(wire.ends(SOON), "the client keeps the connection");
}

fn granted(ifname: String, ifindex: u32, queues: u32) -> Granted {
    Granted {
        lease: 1,
        ifname,
        ifindex,
        mac: [2, 0, 0, 0, 0, 1],
        mtu: 1500,
        first_queue: 0,
        queues,
        mode: Mode::Native,
        mode_reason: String::new(),
        program_id: 1,
        netns_cookie: 0,
        confinement: Confinement { device: true, queue: false },
        frags: false,
        promisc: false,
        filter: Default::default(),
        busy_poll: Default::default(),
        memlock: Default::default(),
        rule: "policy.toml:1".into(),
        keeper: 1,
        warnings: Vec::new(),
    }
}

/// The numbers in `sock-fds=A:B` of a text.
pub fn sock_fds(text: &str) -> Vec<String> {
    let list = text.split("sock-fds=").nth(1).unwrap_or_default();
    let end = list.find(|c: char| !c.is_ascii_digit() && c != ':').unwrap_or(list.len());
    list[..end].split(':').filter(|fd| !fd.is_empty()).map(str::to_owned).collect()
}
