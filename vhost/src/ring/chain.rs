// SPDX-License-Identifier: MIT OR Apache-2.0
//! The way along one chain of descriptors, direct or through an indirect table.
#![forbid(unsafe_code)]

use super::batch::{Batch, Chain};
use super::{Broken, Ring};
use crate::memory::Span;
use crate::sys::Descriptor;

/// Descriptors a chain. Drivers keep to the ring's size or to some 20; QEMU's own limit is the
/// same.
pub const MAX_DESCRIPTORS: usize = 1024;

/// The chain goes on at `next`.
const NEXT: u16 = 1;
/// The device writes to the buffer.
const WRITE: u16 = 2;
/// The buffer is a table of descriptors.
const INDIRECT: u16 = 4;

/// Where the descriptors of a chain are.
#[derive(Clone, Copy)]
enum Table {
    Ring,
    Indirect(Span),
}

impl Ring {
    /// Appends the chain that begins at `head` to the batch.
    #[inline]
    pub(super) fn take(&self, head: u16, batch: &mut Batch) -> Result<(), Broken> {
        if head >= self.shared.size() {
            return Err(Broken::Head(head));
        }
        let first = self.shared.descriptor(head);
        let at = batch.spans.len() as u32;
        let mut chain = Chain { head, first: at, middle: at, last: at, readable: 0, writable: 0 };
        if first.flags & (NEXT | INDIRECT) == 0 {
            self.add(&first, &mut chain, batch)?;
            if let Some(span) = batch.spans.get(at as usize) {
                self.memory.prefetch(*span);
            }
        } else {
            self.walk(first, &mut chain, batch)?;
        }
        batch.chains.push(chain);
        Ok(())
    }

    /// A chain of more than one descriptor.
    fn walk(&self, first: Descriptor, chain: &mut Chain, batch: &mut Batch) -> Result<(), Broken> {
        let mut table = Table::Ring;
        let mut descriptor = first;
        for _ in 0..MAX_DESCRIPTORS {
            if descriptor.flags & INDIRECT != 0 {
                table = self.enter(&descriptor, table, batch)?;
                descriptor = self.next(table, 0)?;
                continue;
            }
            self.add(&descriptor, chain, batch)?;
            if descriptor.flags & NEXT == 0 {
                return Ok(());
            }
            descriptor = self.next(table, descriptor.next)?;
        }
        Err(Broken::Endless)
    }

    /// The indirect table that a descriptor names. It is the chain's last descriptor, and not in
    /// such a table itself.
    fn enter(&self, by: &Descriptor, from: Table, batch: &mut Batch) -> Result<Table, Broken> {
        let bad = Broken::Indirect(by.len);
        let fits = by.len > 0 && by.len % 16 == 0 && by.len <= 16 * u32::from(super::MAX_SIZE);
        let plain = by.flags & NEXT == 0 && matches!(from, Table::Ring);
        if !self.features.indirect || !fits || !plain {
            return Err(bad);
        }
        let at = batch.spans.len();
        let found = self.memory.find(by.addr, by.len, &mut batch.spans);
        let table = batch.spans.get(at).copied();
        batch.spans.truncate(at);
        match table {
            // A table that goes on in another region is no driver's.
            Some(table) if found && table.len == by.len => Ok(Table::Indirect(table)),
            _ => Err(Broken::Address { addr: by.addr, len: by.len }),
        }
    }

    fn next(&self, table: Table, index: u16) -> Result<Descriptor, Broken> {
        let found = match table {
            Table::Ring => (index < self.shared.size()).then(|| self.shared.descriptor(index)),
            Table::Indirect(span) => self.memory.descriptor(span, u32::from(index)),
        };
        found.ok_or(Broken::Next(index))
    }

    /// Appends a descriptor's buffer: those to read come first.
    #[inline]
    fn add(
        &self,
        descriptor: &Descriptor,
        chain: &mut Chain,
        batch: &mut Batch,
    ) -> Result<(), Broken> {
        let Descriptor { addr, len, flags, .. } = *descriptor;
        let writable = flags & WRITE != 0;
        if !writable && chain.middle != chain.last {
            return Err(Broken::Direction);
        }
        if !self.memory.find(addr, len, &mut batch.spans) {
            return Err(Broken::Address { addr, len });
        }
        chain.last = batch.spans.len() as u32;
        if writable {
            chain.writable += u64::from(len);
        } else {
            chain.middle = chain.last;
            chain.readable += u64::from(len);
        }
        Ok(())
    }
}
