// SPDX-License-Identifier: MIT OR Apache-2.0
//! The configuration space (`struct virtio_net_config`; virtio 1.2, 5.1.4), for front ends that ask
//! the back end for it. QEMU does not: MAC address, MTU and link are its own.
#![forbid(unsafe_code)]

/// What the configuration space says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetConfig {
    /// The guest's MAC address.
    pub mac: Option<[u8; 6]>,
    /// The guest's MTU.
    pub mtu: Option<u16>,
    /// Pairs of queues.
    pub pairs: u16,
}

impl NetConfig {
    /// Bytes up to and with the MTU.
    const LEN: usize = 12;

    /// `size` bytes from `offset` on; zeroes behind the last field. Nothing if that is more than a
    /// message holds.
    pub fn read(&self, offset: u32, size: u32) -> Option<Vec<u8>> {
        /// VHOST_USER_MAX_CONFIG_SIZE.
        const MOST: u32 = 256;
        let end = offset.checked_add(size).filter(|end| *end <= MOST)?;
        let mut space = self.space().to_vec();
        space.resize(end.max(Self::LEN as u32) as usize, 0);
        Some(space[offset as usize..end as usize].to_vec())
    }

    fn space(&self) -> [u8; Self::LEN] {
        const LINK_UP: u16 = 1;
        let mut space = [0; Self::LEN];
        space[..6].copy_from_slice(&self.mac.unwrap_or_default());
        space[6..8].copy_from_slice(&LINK_UP.to_le_bytes());
        space[8..10].copy_from_slice(&self.pairs.to_le_bytes());
        space[10..].copy_from_slice(&self.mtu.unwrap_or_default().to_le_bytes());
        space
    }
}

#[cfg(test)]
mod tests {
    use super::NetConfig;

    #[test]
    fn any_part_can_be_read() {
        let config = NetConfig { mac: Some([2, 0, 0, 0, 0, 7]), mtu: Some(1400), pairs: 4 };
        assert_eq!(config.read(0, 12).unwrap(), [2, 0, 0, 0, 0, 7, 1, 0, 4, 0, 0x78, 5]);
        assert_eq!(config.read(5, 2).unwrap(), [7, 1]);
        assert_eq!(config.read(10, 4).unwrap(), [0x78, 5, 0, 0]);
        assert_eq!(config.read(256, 0).unwrap(), []);
        assert_eq!(config.read(250, 7), None);
        assert_eq!(config.read(u32::MAX, 2), None);
    }
}
