// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why an interface does not take the XSK program. BPF_LINK_CREATE returns an errno alone, and the
//! driver's explanation goes to a tracepoint that only root can read. So after a refusal the known
//! reasons are checked, and the refusal names the one that holds.

use xsk_netlink::{Features, Link, VETH_PEER_MTU};
use xsk_proto::Mode;

use super::wanted::Wanted;
use crate::error::ProgramCause;

/// What is known of an interface that has just refused.
#[derive(Debug, Default)]
struct Known {
    link: Link,
    errno: i32,
    frags: bool,
    /// The receive queues in use, if the kernel tells.
    receives: Option<u32>,
    /// Offloads that join frames.
    joins: Option<&'static str>,
    /// What the driver says of native XDP, if the kernel tells.
    native: Option<Features>,
    /// The other end of a veth, if it is in this namespace.
    peer: Option<Peer>,
}

#[derive(Debug)]
struct Peer {
    name: String,
    mtu: u32,
    sends: u32,
}

/// Looks for the reason of a refusal in native mode. In skb mode there is no driver to refuse.
pub(super) fn cause(wanted: &Wanted<'_>, mode: Mode, errno: i32) -> Option<ProgramCause> {
    if mode != Mode::Native {
        return None;
    }
    let Wanted { link, kernel, frags, .. } = wanted;
    let ethtool = kernel.ethtool.as_ref();
    let channels = |index| ethtool.and_then(|ethtool| ethtool.channels(index).ok().flatten());
    let features =
        ethtool.and_then(|ethtool| ethtool.features(link.ifindex).ok()).unwrap_or_default();
    let joining = [("rx-lro", "lro"), ("rx-gro-hw", "rx-gro-hw")];
    let lower = link.lower.filter(|_| link.kind == "veth");
    let peer = lower.and_then(|index| kernel.netlink.link_by_index(index).ok().flatten());
    Known {
        errno,
        frags: *frags,
        receives: channels(link.ifindex).map(|channels| channels.rx + channels.combined),
        joins: joining
            .into_iter()
            .find(|(name, _)| features.contains(*name))
            .map(|(_, option)| option),
        native: kernel.netdev.as_ref().and_then(|netdev| netdev.features(link.ifindex).ok()),
        peer: peer.map(|peer| Peer {
            sends: channels(peer.ifindex)
                .map_or(peer.tx_queues, |channels| channels.tx + channels.combined),
            mtu: peer.mtu,
            name: peer.name,
        }),
        link: (*link).clone(),
    }
    .cause()
}

impl Known {
    fn cause(&self) -> Option<ProgramCause> {
        let of_kind = if self.link.kind == "veth" { self.of_veth() } else { self.of_driver() };
        of_kind.map(|(what, hint)| ProgramCause { what, hint })
    }

    /// A veth receives what its other end sends, queue by queue, in frames as long as the other
    /// end's MTU.
    fn of_veth(&self) -> Option<(String, String)> {
        let receives = self.receives.unwrap_or(self.link.rx_queues);
        let Some(Peer { name: peer, mtu, sends }) = &self.peer else {
            return self.of_unseen_end(receives);
        };
        if *sends > receives {
            let what = format!(
                "{peer}, its other end, sends by {sends} queues, and it receives by {receives}"
            );
            return Some((what, format!("as root: ethtool -L {peer} tx {receives}")));
        }
        (*mtu > VETH_PEER_MTU && !self.frags).then(|| {
            let what = format!(
                "{peer}, its other end, has an MTU of {mtu}, and native mode takes {VETH_PEER_MTU}"
            );
            (what, format!("as root: ip link set dev {peer} mtu {VETH_PEER_MTU}"))
        })
    }

    /// The errno tells which of the two it is.
    fn of_unseen_end(&self, receives: u32) -> Option<(String, String)> {
        let (what, hint) = match self.errno {
            libc::ENOSPC => (
                format!(
                    "its other end sends by more than the {receives} queues by which it receives"
                ),
                format!("ethtool -L PEER tx {receives}"),
            ),
            libc::ERANGE => (
                format!(
                    "its other end has an MTU of more than the {VETH_PEER_MTU} that native mode takes"
                ),
                format!("ip link set dev PEER mtu {VETH_PEER_MTU}"),
            ),
            _ => return None,
        };
        Some((what, format!("as root, in the other end's network namespace: {hint}")))
    }

    fn of_driver(&self) -> Option<(String, String)> {
        let name = &self.link.name;
        if let Some(option) = self.joins {
            let what = format!("its {option} is on, which joins frames");
            return Some((what, format!("as root: ethtool -K {name} {option} off")));
        }
        if self.native.is_some_and(|told| !told.has(Features::BASIC)) {
            return Some((
                "its driver has no native XDP".to_owned(),
                "ask for mode=skb".to_owned(),
            ));
        }
        if self.frags && self.native.is_some_and(|told| !told.has(Features::FRAGS)) {
            let what = "its driver takes no frames of several buffers".to_owned();
            return Some((
                what,
                format!("ask for mode=skb, or as root: ip link set dev {name} mtu 1500"),
            ));
        }
        (self.link.mtu > 1500).then(|| {
            let what =
                format!("its MTU of {} may be more than its driver takes for that", self.link.mtu);
            (what, format!("as root: ip link set dev {name} mtu 1500"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(kind: &str, change: impl FnOnce(&mut Known)) -> Option<String> {
        let link = Link {
            name: "eth1".into(),
            kind: kind.into(),
            mtu: 1500,
            rx_queues: 1,
            ..Link::default()
        };
        let mut known = Known { link, ..Known::default() };
        change(&mut known);
        known.cause().map(|cause| cause.what)
    }

    fn peer(mtu: u32, sends: u32) -> Option<Peer> {
        Some(Peer { name: "peer1".into(), mtu, sends })
    }

    #[test]
    fn a_veth_is_judged_by_its_other_end() {
        let text = known("veth", |known| known.peer = peer(1500, 2)).unwrap();
        assert_eq!(text, "peer1, its other end, sends by 2 queues, and it receives by 1");
        let text = known("veth", |known| known.peer = peer(9000, 1)).unwrap();
        assert_eq!(text, "peer1, its other end, has an MTU of 9000, and native mode takes 3506");
        assert_eq!(known("veth", |known| (known.peer, known.frags) = (peer(9000, 1), true)), None);
        let text = known("veth", |known| known.errno = libc::ENOSPC).unwrap();
        assert_eq!(text, "its other end sends by more than the 1 queues by which it receives");
        assert!(
            known("veth", |known| known.errno = libc::ERANGE)
                .unwrap()
                .contains("MTU of more than the 3506")
        );
        assert_eq!(known("veth", |_| ()), None);
    }

    #[test]
    fn a_card_is_judged_by_its_driver() {
        assert_eq!(known("", |_| ()), None);
        assert!(known("", |known| known.joins = Some("lro")).unwrap().contains("its lro is on"));
        assert!(known("", |known| known.link.mtu = 3000).unwrap().contains("its MTU of 3000"));
    }
}
