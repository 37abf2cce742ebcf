// SPDX-License-Identifier: MIT OR Apache-2.0
//! A vhost-user front end and a guest's driver in one, that can lie: messages of any form, and
//! rings and memory that are written to by `pwrite`. It uses nothing of the crate under test.

use std::io::{IoSlice, Read};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

mod bytes;

pub use bytes::{addresses, frame, net_header, numbers, pair, place, words};

use bytes::buffer;

/// Request numbers (QEMU: docs/interop/vhost-user.rst).
pub mod request {
    #![allow(missing_docs, reason = "the specification's names")]
    pub const GET_FEATURES: u32 = 1;
    pub const SET_FEATURES: u32 = 2;
    pub const SET_OWNER: u32 = 3;
    pub const SET_MEM_TABLE: u32 = 5;
    pub const SET_VRING_NUM: u32 = 8;
    pub const SET_VRING_ADDR: u32 = 9;
    pub const SET_VRING_BASE: u32 = 10;
    pub const GET_VRING_BASE: u32 = 11;
    pub const SET_VRING_KICK: u32 = 12;
    pub const SET_VRING_CALL: u32 = 13;
    pub const SET_VRING_ERR: u32 = 14;
    pub const SET_VRING_ENABLE: u32 = 18;
    pub const ADD_MEM_REG: u32 = 37;
    pub const REM_MEM_REG: u32 = 38;
}

/// VERSION_1, MRG_RXBUF, EVENT_IDX, INDIRECT_DESC and vhost-user's own.
pub const FEATURES: u64 = 1 << 32 | 1 << 15 | 1 << 29 | 1 << 28 | 1 << 30;

/// CSUM and GUEST_CSUM.
pub const CHECKSUMS: u64 = 1 << 0 | 1 << 1;

/// GUEST_TSO4 and 6, HOST_TSO4 and 6, HOST_ECN.
pub const SEGMENTS: u64 = 1 << 7 | 1 << 8 | 1 << 11 | 1 << 12 | 1 << 13;

/// Bytes of the guest's memory.
pub const MEMORY: u64 = 1 << 20;

/// Where the front end says that it has mapped it.
pub const USER: u64 = 0x7000_0000_0000;

/// Entries of each ring.
pub const SIZE: u16 = 64;

/// The descriptor may be written to.
pub const WRITE: u16 = 2;

/// A connection, with the guest behind it.
#[derive(Debug)]
pub struct FrontEnd {
    stream: UnixStream,
    /// The guest's memory.
    pub memory: std::fs::File,
    kicks: Vec<EventFd>,
    /// How the device notifies the driver of each ring.
    pub calls: Vec<OwnedFd>,
    sent: Vec<u16>,
}

impl FrontEnd {
    /// Connects to a device that lets root in (`user=0`).
    ///
    /// # Errors
    /// Those of connect.
    pub fn connect(path: &Path) -> std::io::Result<Self> {
        Self::over(UnixStream::connect(path)?)
    }

    /// Takes a connection that a device has made.
    ///
    /// # Errors
    /// No memory.
    pub fn over(stream: UnixStream) -> std::io::Result<Self> {
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let memory = std::fs::File::from(memfd_create(c"guest", MFdFlags::MFD_CLOEXEC)?);
        memory.set_len(MEMORY)?;
        Ok(Self { stream, memory, kicks: vec![], calls: vec![], sent: vec![] })
    }

    /// A front end with rings at work, through which a frame has gone.
    ///
    /// # Panics
    /// The device does not serve.
    pub fn working(path: &Path, pairs: u32) -> Self {
        let mut front = Self::connect(path).unwrap();
        front.set_up(FEATURES, pairs);
        assert!(front.transmit(1, &frame()), "no frame is taken");
        front
    }

    /// Sends bytes with descriptors. False if the device has closed the connection.
    pub fn raw(&self, bytes: &[u8], fds: &[RawFd]) -> bool {
        let control = [ControlMessage::ScmRights(fds)];
        let control = if fds.is_empty() { &[][..] } else { &control[..] };
        let flags = MsgFlags::MSG_NOSIGNAL;
        sendmsg::<()>(self.stream.as_raw_fd(), &[IoSlice::new(bytes)], control, flags, None).is_ok()
    }

    /// Sends a request.
    pub fn send(&self, request: u32, flags: u32, payload: &[u8], fds: &[RawFd]) -> bool {
        let head = [request, 1 | flags, payload.len() as u32].map(u32::to_ne_bytes).concat();
        self.raw(&[&head, payload].concat(), fds)
    }

    /// Sends a request that has to be carried out, and asks for the acknowledgement.
    ///
    /// # Panics
    /// The device has refused it.
    pub fn must(&mut self, request: u32, payload: &[u8], fds: &[RawFd]) {
        assert_eq!(self.try_to(request, payload, fds), Some(0), "request {request}");
    }

    /// The acknowledgement of a request; nothing if the device closed the connection.
    pub fn try_to(&mut self, request: u32, payload: &[u8], fds: &[RawFd]) -> Option<u64> {
        self.send(request, 8, payload, fds);
        self.reply().map(|payload| u64::from_ne_bytes(payload.try_into().unwrap()))
    }

    /// The payload of the next reply; nothing if the device closed the connection.
    pub fn reply(&mut self) -> Option<Vec<u8>> {
        let mut head = [0; 12];
        self.stream.read_exact(&mut head).ok()?;
        let size = u32::from_ne_bytes([head[8], head[9], head[10], head[11]]);
        let mut payload = vec![0; size as usize];
        self.stream.read_exact(&mut payload).ok()?;
        Some(payload)
    }

    /// Whether the device closes the connection, within some seconds.
    pub fn is_closed(&mut self) -> bool {
        let start = Instant::now();
        while start.elapsed() < super::SOON {
            match self.stream.read(&mut [0; 4096]) {
                Ok(0) => return true,
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return true,
                _ => {}
            }
        }
        false
    }

    /// Everything up to rings that run, with as many pairs.
    pub fn set_up(&mut self, features: u64, pairs: u32) {
        self.must(request::SET_OWNER, &[], &[]);
        self.must(request::SET_FEATURES, &features.to_ne_bytes(), &[]);
        self.give_memory();
        for ring in 0..2 * pairs {
            let call = EventFd::from_flags(EfdFlags::EFD_CLOEXEC).unwrap();
            self.start(ring, call.into());
        }
    }

    /// The memory, in one region.
    pub fn give_memory(&mut self) {
        let table = [words(&[1]), numbers(&[0, MEMORY, USER, 0])].concat();
        let fd = self.memory.as_raw_fd();
        self.must(request::SET_MEM_TABLE, &table, &[fd]);
    }

    /// Sets up a ring, starts it and switches it on.
    pub fn start(&mut self, ring: u32, call: OwnedFd) {
        let kick = EventFd::from_flags(EfdFlags::EFD_CLOEXEC).unwrap();
        self.tell_of(ring, 0, [kick.as_raw_fd(), call.as_raw_fd()]);
        self.kicks.push(kick);
        self.calls.push(call);
        self.sent.push(0);
    }

    /// Connects again, as a front end does whose device was started anew: the guest goes on with
    /// the same memory and the same rings.
    ///
    /// # Panics
    /// The device does not serve.
    pub fn come_back(&mut self, path: &Path) {
        self.stream = UnixStream::connect(path).unwrap();
        self.stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        self.must(request::SET_OWNER, &[], &[]);
        self.must(request::SET_FEATURES, &FEATURES.to_ne_bytes(), &[]);
        self.give_memory();
        for ring in 0..self.kicks.len() {
            let fds = [self.kicks[ring].as_raw_fd(), self.calls[ring].as_raw_fd()];
            self.tell_of(ring as u32, self.used(ring as u32), fds);
        }
    }

    /// Everything about a ring.
    fn tell_of(&mut self, ring: u32, base: u16, [kick, call]: [RawFd; 2]) {
        self.must(request::SET_VRING_NUM, &pair(ring, SIZE.into()), &[]);
        self.must(request::SET_VRING_BASE, &pair(ring, base.into()), &[]);
        self.must(request::SET_VRING_ADDR, &addresses(ring, USER + place(ring)), &[]);
        self.must(request::SET_VRING_CALL, &numbers(&[ring.into()]), &[call]);
        self.must(request::SET_VRING_KICK, &numbers(&[ring.into()]), &[kick]);
        self.must(request::SET_VRING_ENABLE, &pair(ring, 1), &[]);
    }

    /// Posts `count` buffers of 2 KiB to receive into, from descriptor `first` on.
    pub fn post(&mut self, ring: u32, first: u16, count: u16) {
        for index in first..first + count {
            self.descriptor(ring, index, buffer(ring, index), 2048, WRITE, 0);
            self.offer(ring, index);
        }
    }

    /// The frame that was received as number `number` of a ring, with its header, from a chain of
    /// one buffer.
    pub fn received(&self, ring: u32, number: u16) -> Vec<u8> {
        let entry = self.read(place(ring) + 0x2004 + 8 * u64::from(number % SIZE), 8);
        let at = |from: usize| {
            u32::from_le_bytes([entry[from], entry[from + 1], entry[from + 2], entry[from + 3]])
        };
        self.read(buffer(ring, at(0) as u16), at(4) as usize)
    }

    /// Writes to the guest's memory.
    pub fn write(&self, at: u64, bytes: &[u8]) {
        self.memory.write_all_at(bytes, at).unwrap();
    }

    /// Reads the guest's memory.
    pub fn read(&self, at: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.memory.read_exact_at(&mut bytes, at).unwrap();
        bytes
    }

    /// Writes a descriptor of a ring.
    pub fn descriptor(&self, ring: u32, index: u16, addr: u64, len: u32, flags: u16, next: u16) {
        let bytes = [
            &addr.to_le_bytes()[..],
            &len.to_le_bytes(),
            &flags.to_le_bytes(),
            &next.to_le_bytes(),
        ];
        self.write(place(ring) + 16 * u64::from(index), &bytes.concat());
    }

    /// Puts a chain's head into a ring, and kicks.
    pub fn offer(&mut self, ring: u32, head: u16) {
        let sent = self.sent[ring as usize];
        self.write(place(ring) + 0x1000 + 4 + 2 * u64::from(sent % SIZE), &head.to_le_bytes());
        self.sent[ring as usize] = sent.wrapping_add(1);
        self.write(place(ring) + 0x1002, &self.sent[ring as usize].to_le_bytes());
        self.kick(ring);
    }

    /// Kicks a ring.
    pub fn kick(&self, ring: u32) {
        self.kicks[ring as usize].write(1).unwrap();
    }

    /// How many chains the device has given back.
    pub fn used(&self, ring: u32) -> u16 {
        let bytes = self.read(place(ring) + 0x2002, 2);
        u16::from_le_bytes([bytes[0], bytes[1]])
    }

    /// Sends a frame and waits until the device has taken it.
    pub fn transmit(&mut self, ring: u32, frame: &[u8]) -> bool {
        self.transmit_with(ring, &[0; 12], frame)
    }

    /// The same with a header that is not all zeroes.
    pub fn transmit_with(&mut self, ring: u32, header: &[u8; 12], frame: &[u8]) -> bool {
        let before = self.used(ring);
        self.write(0x8_0000, &[header, frame].concat());
        self.descriptor(ring, 0, 0x8_0000, 12 + frame.len() as u32, 0, 0);
        self.offer(ring, 0);
        super::wait::wait_quietly(super::SOON, || self.used(ring) != before)
    }
}

/// The end is seen at once, though the fork of another test may still have the connection.
impl Drop for FrontEnd {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }
}
