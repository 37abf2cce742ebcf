// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is pasted into a libvirt domain.
#![forbid(unsafe_code)]

use std::path::Path;

/// A network card, as libvirt's XML tells it.
#[derive(Debug)]
pub(super) struct Card<'a> {
    /// The socket that the backend listens at.
    pub(super) socket: &'a Path,
    /// The guest's address.
    pub(super) mac: [u8; 6],
    /// The guest's MTU.
    pub(super) mtu: u32,
    /// Pairs of queues.
    pub(super) queues: u32,
}

impl Card<'_> {
    /// The elements, each with a comment that says where it goes.
    pub(super) fn xml(&self) -> String {
        let mac = self.mac.map(|byte| format!("{byte:02x}")).join(":");
        let driver = match self.queues {
            1 => String::new(),
            queues => format!("\n  <driver queues='{queues}'/>"),
        };
        let [alias, mtu] =
            if self.mtu == ETHERNET { Default::default() } else { self.mtu_elements() };
        format!(
            "<!-- in <domain>, once: the guest's memory is shared with the backend -->
<memoryBacking>
  <source type='memfd'/>
  <access mode='shared'/>
</memoryBacking>{mtu}
<!-- in <devices> -->
<interface type='vhostuser'>
  <mac address='{mac}'/>
  <source type='unix' path='{}' mode='client'>
    <reconnect enabled='yes' timeout='1'/>
  </source>
  <model type='virtio'/>{driver}{alias}
</interface>",
            escaped(&self.socket.to_string_lossy()),
        )
    }

    /// How the guest learns the MTU. With <mtu>, libvirt would set it on an interface of the host,
    /// and this card has none (`qemuBuildInterfaceCommandLine`).
    fn mtu_elements(&self) -> [String; 2] {
        let alias =
            format!("ua-xsk-{}", self.socket.file_name().unwrap_or_default().to_string_lossy());
        let elements = format!(
            "
<!-- in <domain>: the guest's MTU -->
<qemu:override xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <qemu:device alias='{alias}'>
    <qemu:frontend>
      <qemu:property name='host_mtu' type='unsigned' value='{}'/>
    </qemu:frontend>
  </qemu:device>
</qemu:override>",
            self.mtu
        );
        [format!("\n  <alias name='{alias}'/>"), elements]
    }
}

/// The MTU that a guest takes by itself.
const ETHERNET: u32 = 1500;

/// Text in an attribute.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('\'', "&apos;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_queue_needs_no_driver_element() {
        let card = Card {
            socket: Path::new("/run/x/vm1"),
            mac: [2, 0, 0, 0, 0, 0xab],
            mtu: 1500,
            queues: 1,
        };
        let xml = card.xml();
        assert!(xml.contains("<mac address='02:00:00:00:00:ab'/>"));
        assert!(!xml.contains("<driver") && !xml.contains("<alias") && !xml.contains("host_mtu"));
        assert!(Card { queues: 4, ..card }.xml().contains("<driver queues='4'/>"));
    }

    #[test]
    fn another_mtu_is_a_property_of_the_device() {
        let card = Card { socket: Path::new("/run/x/vm1"), mac: [0; 6], mtu: 9000, queues: 1 };
        let xml = card.xml();
        assert!(xml.contains("<alias name='ua-xsk-vm1'/>") && xml.contains("alias='ua-xsk-vm1'>"));
        assert!(xml.contains("name='host_mtu' type='unsigned' value='9000'"));
    }

    #[test]
    fn a_path_stays_inside_its_attribute() {
        let card = Card { socket: Path::new("/a'b&c<d"), mac: [0; 6], mtu: 1500, queues: 1 };
        assert!(card.xml().contains("path='/a&apos;b&amp;c&lt;d'"));
    }
}
