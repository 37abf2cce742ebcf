// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a hostile front end can send, and what a hostile guest can write into its rings.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use xsk_vhost::device::{Backend, Offer, Refusal, RingSetup, Session};
use xsk_vhost::memory::{GuestMemory, RegionInfo};
use xsk_vhost::net::{NetConfig, answer};
use xsk_vhost::protocol::{Channel, Descriptor, Head, Message};
use xsk_vhost::ring::{Addresses, Batch, Broken, Ring, RingFeatures};

const MEMORY: u64 = 0x1_0000;

/// A sequence of messages: number, flags, kind of descriptors, length of the payload, payload.
pub fn messages(mut input: &[u8]) {
    wire(input);
    let config = NetConfig { mac: None, mtu: None, pairs: 2 };
    let mut session =
        Session::new(Offer { features: u64::MAX >> 8, protocol: u64::MAX, pairs: 2, config });
    let mut rings = Rings::default();
    while let Some((&[request, flags, kind, len], rest)) = input.split_first_chunk() {
        let (payload, rest) = rest.split_at(rest.len().min(len.into()));
        input = rest;
        let head =
            Head { request: request.into(), flags: flags.into(), size: payload.len() as u32 };
        let descriptors = descriptors(kind);
        let (answer, done) =
            session.handle(Message { head, payload: payload.to_vec(), descriptors }, &mut rings);
        assert!(answer.is_some() || !head.needs_reply(), "no answer to {request}: {done:?}");
        assert!(answer.is_none_or(|answer| answer.len() <= 512));
    }
    session.end(&mut rings);
    assert!(rings.0.iter().all(Option::is_none), "a ring runs without a front end");
}

/// The same bytes as they come from a socket.
fn wire(input: &[u8]) {
    let Ok((near, far)) = UnixStream::pair() else { return };
    let mut channel = Channel::new(near, std::sync::mpsc::channel().0);
    // Less than a socket holds, so that this does not wait.
    let input = &input[..input.len().min(30_000)];
    std::io::Write::write_all(&mut &far, input).expect("a socket holds as much");
    drop(far);
    let mut seen = 0;
    while let Ok(Some(message)) = channel.receive() {
        assert_eq!(message.head.size as usize, message.payload.len());
        seen += Head::LEN + message.payload.len();
    }
    assert!(seen <= input.len());
}

fn descriptors(kind: u8) -> Vec<Descriptor> {
    let event = || Descriptor::Event(eventfd(0, EventfdFlags::CLOEXEC).expect("an eventfd"));
    let memory = |len| Descriptor::Memory(file(len));
    match kind % 6 {
        0 => vec![],
        1 => vec![memory(MEMORY)],
        2 => vec![event()],
        3 => vec![memory(MEMORY), memory(MEMORY)],
        4 => vec![event(), memory(0)],
        _ => vec![Descriptor::Foreign],
    }
}

fn file(len: u64) -> OwnedFd {
    let file = memfd_create("guest", MemfdFlags::CLOEXEC).expect("a memfd");
    ftruncate(&file, len).expect("its length");
    file
}

/// Rings that are looked into once, when they start.
#[derive(Default)]
struct Rings([Option<u16>; 5]);

impl Backend for Rings {
    fn start(&mut self, index: usize, mut ring: Ring, _setup: RingSetup) -> Result<(), Refusal> {
        // A ring that is broken stays in its place until it is stopped.
        let _: Result<(), Broken> = drain(&mut ring);
        self.0[index] = Some(ring.position());
        Ok(())
    }

    fn stop(&mut self, index: usize) -> Result<Option<u16>, Refusal> {
        Ok(self.0[index].take())
    }

    fn enable(&mut self, _index: usize, _on: bool) -> Result<(), Refusal> {
        Ok(())
    }

    fn notify_by(&mut self, _index: usize, _call: Option<Arc<OwnedFd>>) -> Result<(), Refusal> {
        Ok(())
    }
}

/// A guest's memory with rings in it: descriptors at 0, the driver's area at 0x800, the device's at
/// 0x1000.
pub fn rings(input: &[u8]) {
    let Some((&[size, features], memory)) = input.split_first_chunk() else { return };
    let file = file(MEMORY);
    let memory = &memory[..memory.len().min(MEMORY as usize)];
    rustix::io::pwrite(&file, memory, 0).expect("it fits");
    let info = RegionInfo { guest: 0, len: MEMORY, user: 0, offset: 0 };
    let table = GuestMemory::default().with(info, &file).expect("memory");
    let at = Addresses { descriptors: 0, avail: 0x800, used: 0x1000 };
    let features = RingFeatures { event_idx: features & 1 != 0, indirect: features & 2 != 0 };
    let ring = || Ring::new(Arc::new(table.clone()), at, 1 << (size % 8), features);
    if let Some(mut ring) = ring() {
        let _: Result<(), Broken> = drain(&mut ring);
    }
    if let Some(mut ring) = ring() {
        let _: Result<_, Broken> = answer(&mut ring, &mut Batch::default(), 4);
    }
}

/// Takes what is in the ring, reads and writes every byte of it, and gives it back.
fn drain(ring: &mut Ring) -> Result<(), Broken> {
    let (mut batch, mut bytes) = (Batch::default(), vec![0x5a; 70_000]);
    for _ in 0..4 {
        batch.clear();
        let count = ring.gather(&mut batch, 64)?;
        assert_eq!(count, batch.chains().len());
        for chain in batch.chains() {
            let read = batch.read(ring.memory(), chain, 3, &mut bytes);
            assert_eq!(read as u64, chain.readable().saturating_sub(3).min(70_000));
            let written = batch.write(ring.memory(), chain, 0, &bytes);
            assert_eq!(written as u64, chain.writable().min(70_000));
            ring.complete(chain, written as u32);
        }
        ring.publish();
        ring.arm()?;
        ring.disarm();
    }
    Ok(())
}
