// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a program learns which of its inherited descriptors is the connection of a lease: from the
//! environment variable [`VARIABLE`], which `xsk-client run` sets. A program that reads the
//! connection ([`crate::news`]) hears of a revoke.
#![forbid(unsafe_code)]

use std::os::fd::RawFd;

/// The variable: for each lease `CONNECTION=SOCKET,SOCKET`, with colons between leases.
pub const VARIABLE: &str = "XSK_LEASES";

/// The descriptors of one lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseFds {
    /// The connection to the keeper.
    pub connection: RawFd,
    /// The sockets, in queue order.
    pub sockets: Vec<RawFd>,
}

/// Writes the variable's value.
pub fn text(leases: &[LeaseFds]) -> String {
    let list =
        |sockets: &[RawFd]| sockets.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let items = leases.iter().map(|lease| format!("{}={}", lease.connection, list(&lease.sockets)));
    items.collect::<Vec<_>>().join(":")
}

/// Reads the variable's value. What has another form is left out.
pub fn read(text: &str) -> Vec<LeaseFds> {
    let number = |text: &str| text.parse().ok().filter(|fd| *fd >= crate::descriptors::LOWEST);
    let one = |item: &str| {
        let (connection, sockets) = item.split_once('=')?;
        let sockets = sockets.split(',').map(number).collect::<Option<_>>()?;
        Some(LeaseFds { connection: number(connection)?, sockets })
    };
    text.split(':').filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let leases = [
            LeaseFds { connection: 5, sockets: vec![3, 4] },
            LeaseFds { connection: 71, sockets: vec![70] },
        ];
        assert_eq!(text(&leases), "5=3,4:71=70");
        assert_eq!(read("5=3,4:71=70"), leases);
    }

    #[test]
    fn what_has_another_form_is_left_out() {
        let only = [LeaseFds { connection: 8, sockets: vec![9] }];
        assert_eq!(read("2=5:x=5:7:-3=4:6=:6=5,:6=5,1::8=9"), only);
        assert!(read("").is_empty());
    }
}
