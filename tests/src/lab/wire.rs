// SPDX-License-Identifier: MIT OR Apache-2.0
//! A client that speaks the protocol byte by byte, so that a test can send what no honest client
//! would.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, Backlog, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType,
    UnixAddr, accept4, bind, connect, listen as listen_on, recvmsg, sendmsg, socket, socketpair,
};
use xsk_proto::{
    Acquire, Code, EventKind, Granted, Hello, ModeRequest, Refused, Reply, Request, StatusPart,
    codec,
};

use super::{User, sys, wait};

/// The longest wait for an answer.
pub const ANSWER: Duration = Duration::from_secs(20);

/// One end of a connection with the helper.
#[derive(Debug)]
pub struct Wire(OwnedFd);

/// A packet with the descriptors that came along.
#[derive(Debug)]
pub struct Packet {
    /// The bytes; empty at the end of the connection.
    pub bytes: Vec<u8>,
    /// The descriptors.
    pub fds: Vec<OwnedFd>,
}

/// A grant with its sockets.
#[derive(Debug)]
pub struct Leased {
    /// What the helper said of it.
    pub granted: Granted,
    /// The sockets, in queue order.
    pub sockets: Vec<OwnedFd>,
}

/// A plain request for queues.
pub fn acquire(ifname: &str, first_queue: u32, queues: u32) -> Acquire {
    Acquire {
        ifname: ifname.into(),
        first_queue,
        queues,
        mode: ModeRequest::Auto,
        params: Vec::new(),
    }
}

/// Does `act` on a thread that has this user's credentials, so that the kernel names it as the
/// other side.
pub fn with_credentials<T: Send>(user: &User, act: impl FnOnce() -> T + Send) -> T {
    let ids = sys::Ids { uid: user.uid, gid: user.uid, groups: user.groups.clone() };
    let work = move || {
        sys::become_user(&ids).unwrap();
        act()
    };
    std::thread::scope(|scope| scope.spawn(work).join()).unwrap()
}

/// A pair of connected sockets, made by this user.
pub fn pair(user: &User) -> (Wire, OwnedFd) {
    with_credentials(user, own_pair)
}

/// A pair of connected sockets, made by the user who calls.
pub fn own_pair() -> (Wire, OwnedFd) {
    let pair = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC);
    let (ours, theirs) = pair.unwrap();
    (Wire(ours), theirs)
}

/// Listens at `path` for everybody.
pub fn listen(path: &str) -> OwnedFd {
    let fd =
        socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None).unwrap();
    bind(fd.as_raw_fd(), &UnixAddr::new(path).unwrap()).unwrap();
    listen_on(&fd, Backlog::new(1024).unwrap()).unwrap();
    sys::chmod(path.as_ref(), 0o666);
    fd
}

impl Wire {
    /// Connects to the socket at `path` as root, after waiting until a process listens there.
    pub fn connect(path: &str) -> Self {
        let attempt = || Self::try_connect(path).ok();
        wait::wait_for(wait::SOON, "somebody to listen", attempt)
    }

    /// Connects as this user.
    pub fn connect_as(path: &str, user: &User) -> Self {
        with_credentials(user, || Self::connect(path))
    }

    /// Connects once.
    ///
    /// # Errors
    /// Those of connect(2).
    pub fn try_connect(path: &str) -> io::Result<Self> {
        let fd = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None)?;
        connect(fd.as_raw_fd(), &UnixAddr::new(path)?)?;
        Ok(Self(fd))
    }

    /// The next connection to the listener, within this time.
    pub fn accept(listener: &OwnedFd, within: Duration) -> Option<Self> {
        let mut set = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
        let ready = poll(&mut set, PollTimeout::try_from(within).unwrap()).unwrap();
        (ready > 0)
            .then(|| Self(sys::own(accept4(listener.as_raw_fd(), SockFlag::SOCK_CLOEXEC).unwrap())))
    }

    /// The descriptor.
    pub fn fd(&self) -> &OwnedFd {
        &self.0
    }

    /// Sends a packet.
    ///
    /// # Errors
    /// Those of sendmsg(2).
    pub fn send(&self, bytes: &[u8]) -> io::Result<()> {
        self.send_with(bytes, &[])
    }

    /// Sends a packet with descriptors.
    ///
    /// # Errors
    /// Those of sendmsg(2).
    pub fn send_with(&self, bytes: &[u8], fds: &[RawFd]) -> io::Result<()> {
        let rights = [ControlMessage::ScmRights(fds)];
        let control = if fds.is_empty() { &[][..] } else { &rights[..] };
        let flags = MsgFlags::MSG_NOSIGNAL;
        sendmsg::<UnixAddr>(self.0.as_raw_fd(), &[IoSlice::new(bytes)], control, flags, None)?;
        Ok(())
    }

    /// Sends a request. One who has refused and gone before it came is not to blame: what he said
    /// can be read.
    pub fn say(&self, request: &Request) {
        match self.send(&codec::encode_request(request).unwrap()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            sent => sent.unwrap(),
        }
    }

    /// Receives a packet, within [`ANSWER`].
    ///
    /// # Errors
    /// Those of recvmsg(2), and a time-out.
    pub fn receive(&self) -> io::Result<Packet> {
        match self.receive_once() {
            // The other side closed without reading everything; what it had said comes after that.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => self.receive_once(),
            other => other,
        }
    }

    fn receive_once(&self) -> io::Result<Packet> {
        if !self.readable(ANSWER) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.take(xsk_proto::MAX_REPLY + 1)
    }

    /// Receives a packet as it comes, a reset included.
    ///
    /// # Errors
    /// Those of recvmsg(2), and a time-out.
    pub fn receive_plainly(&self) -> io::Result<Packet> {
        self.receive_once()
    }

    /// The descriptors of a short packet that is there already.
    pub fn receive_now(&self) -> Vec<OwnedFd> {
        self.take(64).unwrap().fds
    }

    fn take(&self, room: usize) -> io::Result<Packet> {
        let mut bytes = vec![0; room];
        let mut control = nix::cmsg_space!([RawFd; 253]);
        let (length, fds) = {
            let mut parts = [IoSliceMut::new(&mut bytes)];
            let flags = MsgFlags::MSG_CMSG_CLOEXEC;
            let message =
                recvmsg::<UnixAddr>(self.0.as_raw_fd(), &mut parts, Some(&mut control), flags)?;
            let fds = message.cmsgs()?.flat_map(|c| match c {
                ControlMessageOwned::ScmRights(fds) => fds,
                _ => Vec::new(),
            });
            (message.bytes, fds.map(sys::own).collect())
        };
        bytes.truncate(length);
        Ok(Packet { bytes, fds })
    }

    /// Whether something can be read, or the end, within this time.
    pub fn readable(&self, within: Duration) -> bool {
        let end = Instant::now() + within;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            match poll(&mut [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)], timeout) {
                Err(Errno::EINTR) => {}
                found => return found.unwrap() > 0,
            }
        }
    }

    /// Receives a reply, and fails the test where none comes.
    #[track_caller]
    pub fn reply(&self) -> (Reply, Vec<OwnedFd>) {
        let packet = self.receive().expect("no answer");
        assert!(!packet.bytes.is_empty(), "the connection ended where an answer was due");
        (codec::decode_reply(&packet.bytes).unwrap(), packet.fds)
    }

    /// Receives a refusal, and fails the test on anything else.
    #[track_caller]
    pub fn refusal(&self) -> Refused {
        match self.reply().0 {
            Reply::Refused(refused) => refused,
            other => panic!("not a refusal: {other:?}"),
        }
    }

    /// Receives an event, and fails the test on anything else.
    #[track_caller]
    pub fn event(&self) -> EventKind {
        match self.reply().0 {
            Reply::Event(event) => event.kind,
            other => panic!("not an event: {other:?}"),
        }
    }

    /// Receives events up to this one; others may come before it.
    #[track_caller]
    pub fn tells(&self, kind: EventKind) {
        let end = Instant::now() + ANSWER;
        while self.event() != kind {
            assert!(Instant::now() < end, "{kind:?} was not told");
        }
    }

    /// Whether the other side ends the connection within this time; what it says before is dropped.
    pub fn ends(&self, within: Duration) -> bool {
        let end = Instant::now() + within;
        while self.readable(end.saturating_duration_since(Instant::now())) {
            match self.receive() {
                Ok(packet) if packet.bytes.is_empty() => return true,
                Ok(_) => {}
                Err(_) => return true,
            }
        }
        false
    }

    /// Greets.
    #[track_caller]
    pub fn greet(&self) {
        self.say(&Request::Hello(Hello::default()));
        match self.reply().0 {
            Reply::Welcome { version: 1, .. } => {}
            other => panic!("not a welcome: {other:?}"),
        }
    }

    /// Asks for queues, after the greeting.
    ///
    /// # Errors
    /// The helper's refusal.
    #[track_caller]
    pub fn ask(&self, request: Acquire) -> Result<Leased, Refused> {
        self.say(&Request::Acquire(request));
        match self.reply() {
            (Reply::Granted(granted), sockets) => {
                assert_eq!(sockets.len(), granted.queues as usize);
                Ok(Leased { granted, sockets })
            }
            (Reply::Refused(refused), fds) => {
                assert!(fds.is_empty(), "a refusal came with descriptors");
                Err(refused)
            }
            (other, _) => panic!("neither grant nor refusal: {other:?}"),
        }
    }

    /// Greets and asks.
    ///
    /// # Errors
    /// The helper's refusal.
    #[track_caller]
    pub fn get(&self, ifname: &str, first: u32, queues: u32) -> Result<Leased, Refused> {
        self.say(&Request::Hello(Hello::default()));
        match self.reply().0 {
            Reply::Welcome { .. } => self.ask(acquire(ifname, first, queues)),
            Reply::Refused(refused) => Err(refused),
            other => panic!("not a welcome: {other:?}"),
        }
    }

    /// As [`get`](Self::get), with both requests sent at once, as `xsk-client` does.
    #[track_caller]
    pub fn get_at_once(&self, ifname: &str, first: u32, queues: u32) -> Leased {
        self.say(&Request::Hello(Hello::default()));
        self.say(&Request::Acquire(acquire(ifname, first, queues)));
        assert!(!self.take(4096).unwrap().bytes.is_empty(), "no greeting");
        let packet = self.take(4096).unwrap();
        match codec::decode_reply(&packet.bytes).unwrap() {
            Reply::Granted(granted) => Leased { granted, sockets: packet.fds },
            other => panic!("not a grant: {other:?}"),
        }
    }

    /// Greets and asks what is leased; all parts of the answer as one.
    #[track_caller]
    pub fn status(&self) -> StatusPart {
        self.greet();
        self.say(&Request::Status);
        let mut all = StatusPart { more: true, ..StatusPart::default() };
        while all.more {
            let Reply::Status(part) = self.reply().0 else { panic!("not a status") };
            all.interfaces.extend(part.interfaces);
            all.leases.extend(part.leases);
            all.more = part.more;
        }
        all
    }

    /// Greets, asks, and expects a refusal with this code.
    #[track_caller]
    pub fn is_refused(&self, ifname: &str, first: u32, queues: u32, code: Code) -> Refused {
        let refused = self.get(ifname, first, queues).expect_err("granted what was to be refused");
        assert_eq!(refused.code, code, "{refused:?}");
        refused
    }
}

impl From<OwnedFd> for Wire {
    fn from(fd: OwnedFd) -> Self {
        Self(fd)
    }
}
