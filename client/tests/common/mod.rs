// SPDX-License-Identifier: MIT OR Apache-2.0
//! A helper that does as the test says: well-behaved or not, on a real socket, with real
//! descriptors.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::JoinHandle;

use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix,
    SocketFlags, SocketType, accept_with, bind, listen, recv, sendmsg, socket_with,
};
use xsk_client::proto::codec::{decode_request, encode_reply};
use xsk_client::proto::{
    BusyPoll, Confinement, Granted, Memlock, Mode, Refused, Reply, Request, Warning, WarningKind,
};

/// A socket that listens, in a folder of its own that goes with it.
pub struct Fake {
    pub path: PathBuf,
    folder: PathBuf,
}

impl Drop for Fake {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// An executable of this text. By a process of its own: a descriptor open for writing here would go
/// along with any fork of another test, and a file that is open for writing cannot be executed.
pub fn script(path: &Path, text: &str) {
    let source = path.with_extension("text");
    std::fs::write(&source, text).unwrap();
    copy(&source, path);
}

/// A copy that everybody may execute, made in the same way.
pub fn copy(program: &Path, path: &Path) {
    let done =
        Command::new("install").args(["--mode", "755"]).args([program, path]).status().unwrap();
    assert!(done.success());
}

/// One conversation as the helper sees it.
pub struct Peer {
    fd: OwnedFd,
}

impl Peer {
    pub fn next(&self) -> Option<Request> {
        let mut bytes = [0; 8192];
        let (length, _) = recv(&self.fd, &mut bytes[..], RecvFlags::empty()).unwrap();
        (length > 0).then(|| decode_request(&bytes[..length]).unwrap())
    }

    /// Takes the greeting and the request, and answers the greeting.
    pub fn greet(&self) -> Request {
        assert!(matches!(self.next(), Some(Request::Hello(_))));
        let request = self.next().unwrap();
        self.say(&Reply::Welcome { version: 1, helper: "fake".into() }, &[]);
        request
    }

    pub fn say(&self, reply: &Reply, fds: &[OwnedFd]) {
        self.raw(&encode_reply(reply).unwrap(), fds);
    }

    pub fn raw(&self, bytes: &[u8], fds: &[OwnedFd]) {
        let fds: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(100))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() {
            assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
        }
        sendmsg(&self.fd, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL).unwrap();
    }

    /// Waits until the other side has gone, and says whether it did.
    pub fn wait_end(&self) -> bool {
        self.next().is_none()
    }
}

/// Listens, and serves `count` conversations by `serve`, each in a thread of its own.
pub fn helper(
    name: &str,
    count: usize,
    serve: impl Fn(Peer, usize) + Send + Sync + 'static,
) -> (Fake, JoinHandle<()>) {
    let folder = std::env::temp_dir().join(format!("xsk-client-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("socket");
    let _ = std::fs::remove_file(&path);
    let listener =
        socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .unwrap();
    bind(&listener, &SocketAddrUnix::new(&path).unwrap()).unwrap();
    listen(&listener, 8).unwrap();
    let thread = std::thread::spawn(move || {
        let serve = &serve;
        std::thread::scope(|scope| {
            for index in 0..count {
                let fd = accept_with(&listener, SocketFlags::CLOEXEC).unwrap();
                scope.spawn(move || serve(Peer { fd }, index));
            }
        });
    });
    (Fake { path, folder }, thread)
}

/// An AF_XDP socket, or `None`, loudly, where this process may not make one.
/// Says that the running test was skipped, and why; panics where `CI` is `true`. The harness
/// captures `eprintln!`, and nothing that is written to standard error itself.
pub fn skipped(why: &str) {
    assert!(std::env::var_os("CI").is_none_or(|value| value != "true"), "SKIPPED: {why}");
    let line = format!("SKIPPED: {}: {why}\n", std::thread::current().name().unwrap_or("?"));
    let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
}

pub fn xdp_socket() -> Option<OwnedFd> {
    match socket_with(AddressFamily::XDP, SocketType::RAW, SocketFlags::CLOEXEC, None) {
        Ok(socket) => Some(socket),
        Err(error) => {
            skipped(&format!("no AF_XDP socket can be made here ({error}); run as root"));
            None
        }
    }
}

pub fn plain_socket() -> OwnedFd {
    socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None).unwrap()
}

pub fn granted(queues: u32) -> Granted {
    Granted {
        lease: 1,
        ifname: "eth1".into(),
        ifindex: 7,
        mac: [2, 0, 0, 0, 0, 1],
        mtu: 1500,
        first_queue: 0,
        queues,
        mode: Mode::Skb,
        mode_reason: String::new(),
        program_id: 3,
        netns_cookie: 0,
        confinement: Confinement { device: true, queue: false },
        frags: false,
        promisc: false,
        filter: Default::default(),
        busy_poll: BusyPoll::default(),
        memlock: Memlock::default(),
        rule: "policy.toml:1".into(),
        keeper: 1,
        warnings: vec![Warning { kind: WarningKind::Addresses, text: "eth1 has addresses".into() }],
    }
}

pub fn refused(code: xsk_client::proto::Code) -> Reply {
    let text = |text: &str| text.to_owned();
    Reply::Refused(Refused {
        code,
        object: text("eth1"),
        message: text("you may not have eth1"),
        hint: text("ask the administrator"),
    })
}
