// SPDX-License-Identifier: MIT OR Apache-2.0
//! The ethtool ioctls that read (include/uapi/linux/ethtool.h). The kernel lets everybody use these
//! (`dev_ethtool`, net/ethtool/ioctl.c).

use std::collections::BTreeSet;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;

const SIOCETHTOOL: libc::c_ulong = 0x8946;
const ETHTOOL_GDRVINFO: u32 = 0x03;
const ETHTOOL_GSTRINGS: u32 = 0x1b;
const ETHTOOL_GSSET_INFO: u32 = 0x37;
const ETHTOOL_GRXFHINDIR: u32 = 0x38;
const ETHTOOL_GFEATURES: u32 = 0x3a;
const ETHTOOL_GCHANNELS: u32 = 0x3c;
const ETH_SS_FEATURES: u32 = 4;
/// `ETH_GSTRING_LEN` in words.
const STRING: usize = 8;

/// How the queues of an interface are bundled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Channels {
    pub(crate) max_rx: u32,
    pub(crate) max_combined: u32,
    pub(crate) rx: u32,
    pub(crate) tx: u32,
    pub(crate) combined: u32,
}

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
    // SAFETY: `request` and `words` outlive the call. The callers below make `words` as long as the structure with
    // what the kernel appends to it, whose length is in the request or a constant of the kernel.
    match unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL as _, &raw mut request) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// The channels in use and the most that there can be; `None` where the driver does not say.
pub(crate) fn channels(ifname: &str) -> Option<Channels> {
    // Command, then rx, tx, other, combined: the most of each, and those in use.
    let mut words = [0; 9];
    words[0] = ETHTOOL_GCHANNELS;
    ask(ifname, &mut words).ok()?;
    let [_, max_rx, _, _, max_combined, rx, tx, _, combined] = words;
    Some(Channels { max_rx, max_combined, rx, tx, combined })
}

/// The name of the driver.
pub(crate) fn driver(ifname: &str) -> Option<String> {
    // `struct ethtool_drvinfo` has 196 bytes, and the name of the driver at 4.
    let mut words = [0; 49];
    words[0] = ETHTOOL_GDRVINFO;
    ask(ifname, &mut words).ok()?;
    Some(string(words.get(1..1 + STRING)?)).filter(|name| !name.is_empty())
}

/// The names of the features that are on; `None` where they cannot be read.
pub(crate) fn features(ifname: &str) -> Option<BTreeSet<String>> {
    let mut info = [ETHTOOL_GSSET_INFO, 0, 0, 0, 0];
    let mask = (1_u64 << ETH_SS_FEATURES).to_ne_bytes();
    info[2] = u32::from_ne_bytes(mask[..4].try_into().ok()?);
    info[3] = u32::from_ne_bytes(mask[4..].try_into().ok()?);
    ask(ifname, &mut info).ok()?;
    let count = usize::try_from(info[4]).ok()?;
    let mut names = vec![0; 3 + count * STRING];
    names[..3].copy_from_slice(&[ETHTOOL_GSTRINGS, ETH_SS_FEATURES, info[4]]);
    ask(ifname, &mut names).ok()?;
    let blocks = count.div_ceil(32);
    // Of each block of 32 bits: available, requested, active, never to be changed.
    let mut states = vec![0; 2 + blocks * 4];
    states[..2].copy_from_slice(&[ETHTOOL_GFEATURES, u32::try_from(blocks).ok()?]);
    ask(ifname, &mut states).ok()?;
    let on =
        |bit: usize| states.get(2 + bit / 32 * 4 + 2).is_some_and(|active| (active >> (bit % 32)) & 1 == 1);
    let names = names.get(3..)?.chunks_exact(STRING).enumerate();
    Some(names.filter(|(bit, _)| on(*bit)).map(|(_, name)| string(name)).collect())
}

/// The queues to which RSS spreads flows; `None` where there is no such table.
pub(crate) fn spread(ifname: &str) -> Option<BTreeSet<u32>> {
    let mut head = [ETHTOOL_GRXFHINDIR, 0];
    ask(ifname, &mut head).ok()?;
    let mut table = vec![0; 2 + usize::try_from(head[1]).ok()?];
    table[..2].copy_from_slice(&[ETHTOOL_GRXFHINDIR, head[1]]);
    ask(ifname, &mut table).ok()?;
    Some(table.split_off(2).into_iter().collect()).filter(|queues: &BTreeSet<u32>| !queues.is_empty())
}

fn string(words: &[u32]) -> String {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    String::from_utf8_lossy(bytes.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_has_features_and_neither_channels_nor_a_table() {
        let features = features("lo").unwrap();
        assert!(features.contains("tx-scatter-gather") && !features.contains("rx-lro"), "{features:?}");
        assert_eq!((channels("lo"), spread("lo")), (None, None));
    }

    #[test]
    fn a_missing_interface_has_nothing() {
        assert_eq!((driver("nonesuch0"), features("nonesuch0")), (None, None));
    }
}
