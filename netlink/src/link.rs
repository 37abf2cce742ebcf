// SPDX-License-Identifier: MIT OR Apache-2.0
//! An interface as rtnetlink tells it: what it is called, how large it is, and which XDP program is
//! on it (include/uapi/linux/if_link.h).

use crate::bytes::{attributes, find, number, text, u16_at, u32_at};
use crate::message::{Message, Request, messages};

/// `struct ifinfomsg`: family at 0, type at 2, index at 4, flags at 8, change.
pub(crate) const FIXED: usize = size_of::<libc::ifinfomsg>();
const HARDWARE: usize = 2;
const INDEX: usize = 4;
const FLAGS: usize = 8;
/// The family of links as such. A bridge tells of its ports as links of a family of its own, and of
/// a port that leaves it as of a link that is gone (net/core/rtnetlink.c, `rtnl_fill_ifinfo`).
const FAMILY: u8 = libc::AF_UNSPEC as u8;

const UP: u32 = libc::IFF_UP as u32;
const LOWER_UP: u32 = libc::IFF_LOWER_UP as u32;
const SKIP_STATISTICS: u32 = libc::RTEXT_FILTER_SKIP_STATS as u32;

/// IFLA_ALLMULTI, which libc has not.
const ALLMULTI: u16 = 61;
// The attributes inside of IFLA_XDP, which libc has not.
const XDP_ATTACHED: u16 = 2;
const XDP_PROG_ID: u16 = 4;
const XDP_DRV_PROG_ID: u16 = 5;
const XDP_SKB_PROG_ID: u16 = 6;
const XDP_HW_PROG_ID: u16 = 7;
// What IFLA_INFO_DATA of a macvlan has, which libc has not.
const MACVLAN_MODE: u16 = 1;
const MACVLAN_FLAGS: u16 = 2;
const MACVLAN_PASSTHRU: u32 = 8;
const MACVLAN_NOPROMISC: u16 = 1;
const ATTACHED_DRV: u8 = 1;
const ATTACHED_SKB: u8 = 2;

/// An interface as the kernel describes it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Link {
    /// Its index.
    pub ifindex: u32,
    /// Its primary name.
    pub name: String,
    /// The type of its frames, as include/uapi/linux/if_arp.h numbers them.
    pub hardware: u16,
    /// Its link-layer address; zeros where that has another length.
    pub mac: [u8; 6],
    /// Its MTU in bytes.
    pub mtu: u32,
    /// Whether it is up.
    pub up: bool,
    /// Whether the other end of the cable is there.
    pub carrier: bool,
    /// The receive queues that were allocated. Fewer may be in use.
    pub rx_queues: u32,
    /// The transmit queues that were allocated. Fewer may be in use.
    pub tx_queues: u32,
    /// The bridge, bond or team that it is a port of.
    pub master: Option<u32>,
    /// The interface below it, or the other end of a veth, where that is in this namespace.
    pub lower: Option<u32>,
    /// The kind of virtual device: `veth`, `macvlan`, `bond`. Empty for hardware.
    pub kind: String,
    /// Whether it is a macvlan or macvtap that has all frames of the interface below (mode
    /// passthru).
    pub passthru: bool,
    /// How often somebody wants every frame of it.
    pub promiscuity: u32,
    /// How often somebody wants the frames for every group; 0 where the kernel does not tell
    /// (before Linux 6.0).
    pub allmulti: u32,
    /// The XDP programs on it.
    pub xdp: Vec<Attached>,
}

/// An XDP program on an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attached {
    /// The program's id.
    pub prog_id: u32,
    /// How it is attached.
    pub mode: XdpMode,
}

/// How an XDP program is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum XdpMode {
    /// In the driver.
    Native,
    /// In the generic path, after the kernel made an skb.
    Skb,
    /// In the hardware.
    Hardware,
}

/// What a link event says of one interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The interface as it is now.
    Changed(Link),
    /// The interface has left the namespace, for another one or for good.
    Gone {
        /// Whether it is in another namespace, as far as the kernel tells.
        moved: bool,
    },
}

impl Request {
    /// Asks for the interface of this name. The kernel finds it by an altname too, so that the
    /// answer's name may be another. Returns `None` for a name that no interface can have.
    pub fn link_by_name(name: &str) -> Option<Self> {
        let valid = name.len() < libc::IFNAMSIZ && !name.contains('\0');
        valid.then(|| Self::link(0, SKIP_STATISTICS).with_text(libc::IFLA_IFNAME, name))
    }

    /// Asks for the interface of this index.
    pub fn link_by_index(ifindex: u32) -> Self {
        Self::link(ifindex, SKIP_STATISTICS)
    }

    /// Asks for an interface with, or without, what the filter names.
    pub(crate) fn link(ifindex: u32, filter: u32) -> Self {
        let mut fixed = [0; FIXED];
        fixed[INDEX..INDEX + 4].copy_from_slice(&ifindex.to_ne_bytes());
        Self::get(libc::RTM_GETLINK, &fixed).with_u32(libc::IFLA_EXT_MASK, filter)
    }
}

impl Link {
    /// Reads a link message, an answer or an event. Returns `None` where the message is about
    /// something else, such as a scan (net/wireless/wext-core.c): a message about the link as such
    /// says at least that there is no program.
    pub(crate) fn read(message: &Message<'_>) -> Option<Self> {
        let is_link = matches!(message.kind, libc::RTM_NEWLINK | libc::RTM_DELLINK);
        if !is_link || message.body.first() != Some(&FAMILY) {
            return None;
        }
        let flags = u32_at(message.body, FLAGS)?;
        let mut link = Self {
            ifindex: u32_at(message.body, INDEX)?,
            hardware: u16_at(message.body, HARDWARE)?,
            up: flags & UP != 0,
            carrier: flags & LOWER_UP != 0,
            ..Self::default()
        };
        for (kind, value) in message.attributes(FIXED) {
            link.set(kind, value)?;
        }
        if message.find(FIXED, libc::IFLA_LINK_NETNSID).is_some() {
            // The index is the other namespace's then, and means another interface here.
            link.lower = None;
        }
        let whole =
            message.kind == libc::RTM_DELLINK || message.find(FIXED, libc::IFLA_XDP).is_some();
        whole.then_some(link)
    }

    fn set(&mut self, kind: u16, value: &[u8]) -> Option<()> {
        match kind {
            libc::IFLA_IFNAME => self.name = text(value),
            libc::IFLA_ADDRESS => self.mac = value.try_into().unwrap_or_default(),
            libc::IFLA_MTU => self.mtu = number(value)?,
            libc::IFLA_NUM_RX_QUEUES => self.rx_queues = number(value)?,
            libc::IFLA_NUM_TX_QUEUES => self.tx_queues = number(value)?,
            libc::IFLA_MASTER => self.master = number(value),
            libc::IFLA_LINK => self.lower = number(value).filter(|index| *index != 0),
            libc::IFLA_LINKINFO => {
                self.kind = find(value, libc::IFLA_INFO_KIND).map(text).unwrap_or_default();
                self.passthru = self.kind.starts_with("macv") && passes_all(value);
            }
            libc::IFLA_PROMISCUITY => self.promiscuity = number(value)?,
            ALLMULTI => self.allmulti = number(value)?,
            libc::IFLA_XDP => self.xdp = programs(value),
            _ => {}
        }
        Some(())
    }

    /// Returns the receive or transmit queues that were allocated, whichever are more.
    pub fn queues_allocated(&self) -> u32 {
        self.rx_queues.max(self.tx_queues)
    }
}

impl Event {
    /// Reads a datagram of a link event. Returns `None` where it is not about this interface.
    pub fn read(datagram: &[u8], ifindex: u32) -> Option<Self> {
        let message = messages(datagram).next()??;
        let link = Link::read(&message).filter(|link| link.ifindex == ifindex)?;
        Some(match message.kind {
            libc::RTM_DELLINK => Self::Gone { moved: has_moved(&message) },
            _ => Self::Changed(link),
        })
    }
}

/// Returns whether the interface left for another namespace, as far as the kernel knows
/// (net/core/dev.c, `__dev_change_net_namespace`).
fn has_moved(message: &Message<'_>) -> bool {
    let moved = |kind| matches!(kind, libc::IFLA_NEW_NETNSID | libc::IFLA_NEW_IFINDEX);
    message.attributes(FIXED).any(|(kind, _)| moved(kind))
}

/// Reads what IFLA_LINKINFO says of a macvlan. In mode passthru the interface below is promiscuous,
/// unless a flag says otherwise (`macvlan_open`, drivers/net/macvlan.c).
fn passes_all(info: &[u8]) -> bool {
    let Some(data) = find(info, libc::IFLA_INFO_DATA) else { return false };
    let mode = find(data, MACVLAN_MODE).and_then(number);
    let flags = find(data, MACVLAN_FLAGS).and_then(|value| u16_at(value, 0)).unwrap_or(0);
    mode == Some(MACVLAN_PASSTHRU) && flags & MACVLAN_NOPROMISC == 0
}

/// A single program is told by its mode and id; several, each by an attribute of its own.
fn programs(xdp: &[u8]) -> Vec<Attached> {
    let single = match find(xdp, XDP_ATTACHED).and_then(<[u8]>::first) {
        Some(&ATTACHED_DRV) => XdpMode::Native,
        Some(&ATTACHED_SKB) => XdpMode::Skb,
        _ => XdpMode::Hardware,
    };
    let mut programs: Vec<Attached> = Vec::new();
    for (kind, value) in attributes(xdp) {
        let mode = match kind {
            XDP_DRV_PROG_ID => XdpMode::Native,
            XDP_SKB_PROG_ID => XdpMode::Skb,
            XDP_HW_PROG_ID => XdpMode::Hardware,
            XDP_PROG_ID => single,
            _ => continue,
        };
        let known = |id: u32| programs.iter().any(|program| program.prog_id == id);
        if let Some(prog_id) = number(value).filter(|id| *id != 0 && !known(*id)) {
            programs.push(Attached { prog_id, mode });
        }
    }
    programs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Route;
    use crate::replay::Kernel;

    const ETH1: u32 = 7;

    fn bare(kind: u16) -> Request {
        let mut fixed = [0; FIXED];
        fixed[INDEX..INDEX + 4].copy_from_slice(&ETH1.to_ne_bytes());
        fixed[FLAGS..FLAGS + 4].copy_from_slice(&(UP | LOWER_UP).to_ne_bytes());
        Request::get(kind, &fixed).with_text(libc::IFLA_IFNAME, "eth1")
    }

    /// The one way here to an attribute in another one is a number.
    fn whole() -> Request {
        bare(libc::RTM_NEWLINK).with_nested_u32(libc::IFLA_XDP, XDP_SKB_PROG_ID, 42)
    }

    fn read(request: Request) -> Option<Link> {
        Link::read(&messages(&request.into_bytes(0)).next()??)
    }

    #[test]
    fn a_link_reads_back() {
        let link = read(
            whole()
                .with_u32(libc::IFLA_MTU, 1500)
                .with_u32(libc::IFLA_NUM_RX_QUEUES, 4)
                .with_u32(libc::IFLA_NUM_TX_QUEUES, 8)
                .with_u32(libc::IFLA_MASTER, 3)
                .with_u32(libc::IFLA_LINK, 9)
                .with_nested_u32(libc::IFLA_LINKINFO, libc::IFLA_INFO_KIND, 0x68_74_65_76),
        );
        let link = link.unwrap();
        assert_eq!((link.ifindex, link.name.as_str(), link.mtu), (ETH1, "eth1", 1500));
        assert!(link.up && link.carrier);
        assert_eq!((link.rx_queues, link.tx_queues, link.queues_allocated()), (4, 8, 8));
        assert_eq!((link.master, link.lower), (Some(3), Some(9)));
        assert_eq!(link.xdp, [Attached { prog_id: 42, mode: XdpMode::Skb }]);
    }

    #[test]
    fn an_index_of_another_namespace_means_nothing_here() {
        let link = whole().with_u32(libc::IFLA_LINK, 9).with_u32(libc::IFLA_LINK_NETNSID, 0);
        assert_eq!(read(link).unwrap().lower, None);
    }

    #[test]
    fn a_message_about_something_else_is_no_link() {
        assert_eq!(read(bare(libc::RTM_NEWLINK)), None);
        assert_eq!(read(Request::get(libc::RTM_NEWADDR, &[0; 8])), None);
        let mut of_bridge = whole().into_bytes(0);
        of_bridge[16] = libc::AF_BRIDGE as u8;
        assert_eq!(Link::read(&messages(&of_bridge).next().unwrap().unwrap()), None);
    }

    #[test]
    fn an_event_tells_whether_the_interface_moved() {
        let event = |request: Request| Event::read(&request.into_bytes(0), ETH1);
        let gone = bare(libc::RTM_DELLINK);
        assert_eq!(event(gone.clone()), Some(Event::Gone { moved: false }));
        let moved = gone.with_u32(libc::IFLA_NEW_IFINDEX, 2);
        assert_eq!(event(moved), Some(Event::Gone { moved: true }));
        assert!(matches!(event(whole()), Some(Event::Changed(_))));
        assert_eq!(Event::read(&whole().into_bytes(0), ETH1 + 1), None);
    }

    #[test]
    fn programs_are_told_alone_or_by_their_modes() {
        let attribute = |kind: u16, value: u32| {
            [&[8, 0][..], &kind.to_ne_bytes(), &value.to_ne_bytes()].concat()
        };
        let told = |xdp: &[Vec<u8>]| -> Vec<(u32, XdpMode)> {
            programs(&xdp.concat()).iter().map(|program| (program.prog_id, program.mode)).collect()
        };
        let single = |mode| vec![attribute(XDP_ATTACHED, mode), attribute(XDP_PROG_ID, 5)];
        assert_eq!(told(&single(1)), [(5, XdpMode::Native)]);
        assert_eq!(told(&single(2)), [(5, XdpMode::Skb)]);
        assert_eq!(told(&single(3)), [(5, XdpMode::Hardware)]);
        let several = [
            attribute(XDP_ATTACHED, 4),
            attribute(XDP_DRV_PROG_ID, 5),
            attribute(XDP_SKB_PROG_ID, 6),
            attribute(XDP_HW_PROG_ID, 6),
        ];
        assert_eq!(told(&several), [(5, XdpMode::Native), (6, XdpMode::Skb)]);
        assert_eq!(told(&[attribute(XDP_ATTACHED, 0)]), []);
    }

    #[test]
    fn a_name_that_no_interface_can_have_is_not_asked_for() {
        let route = Route(Kernel::default());
        for name in ["eth1\0", "sixteen-letters-", &"x".repeat(70_000)] {
            assert_eq!(route.link_by_name(name).unwrap(), None);
        }
        assert_eq!(Route(Kernel::new(vec![Err(libc::ENODEV)])).link_by_name("a").unwrap(), None);
        let refused = Route(Kernel::new(vec![Err(libc::EPERM)])).link_by_index(1);
        assert_eq!(refused.unwrap_err().raw_os_error(), Some(libc::EPERM));
    }
}
