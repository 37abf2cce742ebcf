// SPDX-License-Identifier: MIT OR Apache-2.0
//! The control queue (virtio 1.2, 5.1.6.5), where the front end leaves it to us. One command means
//! something here: how many pairs of queues the driver uses. The rest is answered with an error, as
//! a device may.
#![forbid(unsafe_code)]

use crate::ring::{Batch, Broken, Ring};

/// What the driver has asked for, and is told that it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Use that many pairs of queues.
    Pairs(u16),
}

const CLASS_MQ: u8 = 4;
const MQ_PAIRS_SET: u8 = 0;
const OK: u8 = 0;
const ERROR: u8 = 1;

/// Answers every command in the ring and returns those to carry out, and whether to notify the
/// driver.
///
/// # Errors
/// The ring is broken.
pub fn answer(
    ring: &mut Ring,
    batch: &mut Batch,
    pairs: usize,
) -> Result<(Vec<Command>, bool), Broken> {
    let mut commands = vec![];
    batch.clear();
    // What a driver can have posted at once is bounded by the ring.
    ring.gather(batch, usize::from(u16::MAX))?;
    for chain in batch.chains() {
        let mut bytes = [0; 4];
        let len = batch.read(ring.memory(), chain, 0, &mut bytes);
        let command = read(&bytes[..len], pairs);
        let status = if command.is_some() { OK } else { ERROR };
        let written = batch.write(ring.memory(), chain, 0, &[status]);
        ring.complete(chain, written as u32);
        commands.extend(command);
    }
    Ok((commands, ring.publish()))
}

fn read(bytes: &[u8], pairs: usize) -> Option<Command> {
    match *bytes {
        [CLASS_MQ, MQ_PAIRS_SET, low, high] => {
            let wanted = u16::from_le_bytes([low, high]);
            (1..=pairs).contains(&usize::from(wanted)).then_some(Command::Pairs(wanted))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Command, read};

    #[test]
    fn pairs_are_taken_within_bounds_and_the_rest_is_refused() {
        assert_eq!(read(&[4, 0, 2, 0], 2), Some(Command::Pairs(2)));
        for bytes in
            [&[4, 0, 0, 0][..], &[4, 0, 3, 0], &[4, 0, 2], &[4, 1, 2, 0], &[0, 0, 1, 0], &[]]
        {
            assert_eq!(read(bytes, 2), None, "{bytes:?}");
        }
    }
}
