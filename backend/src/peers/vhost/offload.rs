// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a guest's header asks for, checked against what was negotiated and against its frame.
#![forbid(unsafe_code)]

use xsk_vhost::net::{Header, feature};

/// A header that no driver has reason to write. Its ring is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Lie {
    #[error("a header asks for a checksum, which was not negotiated")]
    Checksum,
    #[error("a header asks for segments of type {0}, which was not negotiated")]
    Segments(u8),
    #[error("a header asks for segments without a checksum")]
    Unsummed,
    #[error("a header asks for segments of {0} bytes")]
    Tiny(u16),
    #[error("a header puts the checksum at {0} + {1}, in a frame of {2} bytes")]
    Place(u16, u16, usize),
    #[error("a header says that {0} bytes are headers, in a frame of {1} bytes")]
    Headers(u16, usize),
}

/// What to do with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// Nothing: it leaves as it is.
    Copy,
    /// The sum from `start` on goes to `field`.
    Sum { start: usize, field: usize },
    /// It is cut into segments of TCP with this much payload.
    Cut { size: usize, tcp: usize, is_ip6: bool },
}

/// The least that a segment may carry. Linux allows an MSS of 48, of which options take 40.
const LEAST_SIZE: u16 = 8;

/// Before IP there is an Ethernet header.
const LEAST_START: u16 = 14;

/// Where TCP has its checksum.
const TCP_FIELD: u16 = 16;

/// Whether the driver may ask for anything, so that its headers have to be read.
pub(super) fn is_used(features: u64) -> bool {
    features & feature::CSUM != 0
}

/// The work that a header asks for, of a frame of `len` bytes.
///
/// # Errors
/// [`Lie`].
#[inline]
pub(super) fn work(header: &Header, features: u64, len: usize) -> Result<Work, Lie> {
    let sums = header.flags & Header::NEEDS_CSUM != 0;
    if sums {
        check_sum(header, features, len)?;
    }
    let (start, offset) = (usize::from(header.csum_start), usize::from(header.csum_offset));
    match header.gso_type {
        0 if sums => Ok(Work::Sum { start, field: start + offset }),
        0 => Ok(Work::Copy),
        _ if !sums => Err(Lie::Unsummed),
        _ => cut(header, features, len),
    }
}

fn check_sum(header: &Header, features: u64, len: usize) -> Result<(), Lie> {
    let Header { csum_start: start, csum_offset: offset, .. } = *header;
    let end = usize::from(start) + usize::from(offset) + 2;
    if features & feature::CSUM == 0 {
        Err(Lie::Checksum)
    } else if start < LEAST_START || end > len {
        Err(Lie::Place(start, offset, len))
    } else {
        Ok(())
    }
}

fn cut(header: &Header, features: u64, len: usize) -> Result<Work, Lie> {
    let kind = header.gso_type & !Header::ECN;
    let (is_ip6, needed) = match kind {
        Header::TCP4 => (false, feature::HOST_TSO4),
        Header::TCP6 => (true, feature::HOST_TSO6),
        _ => return Err(Lie::Segments(header.gso_type)),
    };
    let needed = if kind == header.gso_type { needed } else { needed | feature::HOST_ECN };
    if features & needed != needed {
        return Err(Lie::Segments(header.gso_type));
    }
    if header.gso_size < LEAST_SIZE {
        return Err(Lie::Tiny(header.gso_size));
    }
    if header.csum_offset != TCP_FIELD {
        return Err(Lie::Place(header.csum_start, header.csum_offset, len));
    }
    if usize::from(header.hdr_len) > len {
        return Err(Lie::Headers(header.hdr_len, len));
    }
    Ok(Work::Cut { size: header.gso_size.into(), tcp: header.csum_start.into(), is_ip6 })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: u64 = feature::CSUM | feature::HOST_TSO4 | feature::HOST_TSO6 | feature::HOST_ECN;
    const SUM: Header = Header {
        flags: Header::NEEDS_CSUM,
        gso_type: 0,
        hdr_len: 0,
        gso_size: 0,
        csum_start: 34,
        csum_offset: 16,
        num_buffers: 0,
    };
    const CUT: Header = Header { gso_type: Header::TCP4, gso_size: 1448, hdr_len: 66, ..SUM };

    #[test]
    fn what_was_negotiated_is_done() {
        assert_eq!(work(&Header::default(), 0, 60), Ok(Work::Copy));
        assert_eq!(work(&SUM, feature::CSUM, 60), Ok(Work::Sum { start: 34, field: 50 }));
        assert_eq!(work(&SUM, feature::CSUM, 52), Ok(Work::Sum { start: 34, field: 50 }));
        let cut = |is_ip6| Ok(Work::Cut { size: 1448, tcp: 34, is_ip6 });
        assert_eq!(work(&CUT, ALL, 9000), cut(false));
        assert_eq!(
            work(&Header { gso_type: Header::TCP6 | Header::ECN, ..CUT }, ALL, 9000),
            cut(true)
        );
    }

    #[test]
    fn lies_are_named() {
        let place = |start, offset, len| Err(Lie::Place(start, offset, len));
        assert_eq!(work(&SUM, 0, 60), Err(Lie::Checksum));
        assert_eq!(work(&SUM, ALL, 51), place(34, 16, 51));
        assert_eq!(work(&Header { csum_start: 13, ..SUM }, ALL, 60), place(13, 16, 60));
        let far = Header { csum_start: u16::MAX, csum_offset: u16::MAX, ..SUM };
        assert_eq!(work(&far, ALL, 60), place(u16::MAX, u16::MAX, 60));
        assert_eq!(work(&Header { flags: 0, ..CUT }, ALL, 9000), Err(Lie::Unsummed));
        assert_eq!(work(&CUT, feature::CSUM, 9000), Err(Lie::Segments(1)));
        assert_eq!(work(&CUT, ALL & !feature::HOST_TSO4, 9000), Err(Lie::Segments(1)));
        let ecn = Header { gso_type: Header::TCP4 | Header::ECN, ..CUT };
        assert_eq!(work(&ecn, ALL & !feature::HOST_ECN, 9000), Err(Lie::Segments(0x81)));
        assert_eq!(work(&Header { gso_type: 5, ..CUT }, ALL, 9000), Err(Lie::Segments(5)));
        for size in [0, 1, 7] {
            assert_eq!(work(&Header { gso_size: size, ..CUT }, ALL, 9000), Err(Lie::Tiny(size)));
        }
        assert_eq!(work(&Header { csum_offset: 6, ..CUT }, ALL, 9000), place(34, 6, 9000));
        assert_eq!(
            work(&Header { hdr_len: 9001, ..CUT }, ALL, 9000),
            Err(Lie::Headers(9001, 9000))
        );
    }
}
