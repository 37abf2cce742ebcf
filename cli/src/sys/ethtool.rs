// SPDX-License-Identifier: MIT OR Apache-2.0
//! The ethtool ioctls that read what ethtool netlink does not tell: the name of the driver, and
//! before Linux 6.2 the table of RSS (include/uapi/linux/ethtool.h). The kernel lets every user
//! read them (`dev_ethtool`, net/ethtool/ioctl.c).

use std::collections::BTreeSet;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;

const ETHTOOL_GDRVINFO: u32 = 0x03;
const ETHTOOL_GRXFHINDIR: u32 = 0x38;
/// `ETH_GSTRING_LEN` in words.
const STRING: usize = 8;

/// Asks; `words` is the structure of the command, which begins with its number.
fn ask(ifname: &str, words: &mut [u32]) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    let mut request = libc::ifreq {
        ifr_name: [0; libc::IFNAMSIZ],
        ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_data: words.as_mut_ptr().cast() },
    };
    // The last byte stays NUL.
    let room = libc::IFNAMSIZ - 1;
    for (to, from) in request.ifr_name.iter_mut().zip(ifname.bytes().take(room)) {
        *to = from as libc::c_char;
    }
    // SAFETY: `request` and `words` outlive the call. The callers below make `words` as long as the
    // structure with what the kernel appends to it, whose length is in the request or a constant of
    // the kernel.
    match unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL as _, &raw mut request) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// The name of the driver.
pub(crate) fn driver(ifname: &str) -> Option<String> {
    // `struct ethtool_drvinfo` has 196 bytes, and the name of the driver at 4.
    let mut words = [0; 49];
    words[0] = ETHTOOL_GDRVINFO;
    ask(ifname, &mut words).ok()?;
    Some(string(words.get(1..1 + STRING)?)).filter(|name| !name.is_empty())
}

/// The queues to which RSS spreads flows; `None` where there is no such table.
pub(crate) fn spread(ifname: &str) -> Option<BTreeSet<u32>> {
    let mut head = [ETHTOOL_GRXFHINDIR, 0];
    ask(ifname, &mut head).ok()?;
    let mut table = vec![0; 2 + usize::try_from(head[1]).ok()?];
    table[..2].copy_from_slice(&[ETHTOOL_GRXFHINDIR, head[1]]);
    ask(ifname, &mut table).ok()?;
    Some(table.split_off(2).into_iter().collect())
        .filter(|queues: &BTreeSet<u32>| !queues.is_empty())
}

fn string(words: &[u32]) -> String {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    String::from_utf8_lossy(bytes.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_has_no_table() {
        assert_eq!(spread("lo"), None);
    }

    #[test]
    fn a_missing_interface_has_nothing() {
        assert_eq!((driver("nonesuch0"), spread("nonesuch0")), (None, None));
    }
}
