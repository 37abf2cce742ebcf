// SPDX-License-Identifier: MIT OR Apache-2.0
//! The options of `vhost-user`.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::time::Duration;

use super::{Options, mac, switch};

/// What `--help` says about it.
pub(super) const HELP: &str = "\
\x20 vhost-user=PATH[,server=on|off][,reconnect=SECONDS][,mode=OCTAL][,group=GROUP][,user=USER]
            [,mq=on|off][,csum=on|off][,tso=on|off][,gro=on|off][,mac=MAC][,mtu=BYTES|interface]
            [,config=on|off]
                           be the virtio network card of a virtual machine whose monitor speaks
                           vhost-user; listens, or connects with server=off, again each second;
                           reconnect=0: end when the monitor is gone. Only for monitors of this
                           user, or of USER or GROUP; the folder must be no other user's to
                           write. mq, csum, tso, gro (on): offer several pairs of queues,
                           checksums, to cut long TCP frames of the guest's, and to merge those
                           for it. config: also be the device's configuration space, which QEMU
                           has itself; mac and mtu stand there";

/// Options of `vhost-user`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VhostSpec {
    /// The unix socket.
    pub path: PathBuf,
    /// Listen there, rather than connect.
    pub server: bool,
    /// Time between two attempts to connect; zero: end when the front end is gone.
    pub reconnect: Option<Duration>,
    /// The socket's mode.
    pub mode: Option<u32>,
    /// Members of this group may be the front end.
    pub group: Option<String>,
    /// This user may be the front end.
    pub user: Option<String>,
    /// Offer more than one pair of queues, where there are more.
    pub mq: bool,
    /// Offer to compute and to verify checksums.
    pub csum: bool,
    /// Offer to cut frames of the guest's into segments.
    pub tso: bool,
    /// Offer to merge segments for the guest.
    pub gro: bool,
    /// Answer for the configuration space.
    pub config: bool,
    /// The guest's MAC address, there.
    pub mac: Option<[u8; 6]>,
    /// The guest's MTU, there.
    pub mtu: Option<u16>,
    /// The guest's MTU is the interface's.
    pub interface_mtu: bool,
}

impl VhostSpec {
    /// The options for an interface of this MTU.
    pub fn on(&self, mtu: u32) -> Self {
        let of_interface = || u16::try_from(mtu).ok().filter(|_| self.interface_mtu);
        Self { mtu: self.mtu.or_else(of_interface), ..self.clone() }
    }
}

/// A value of `mtu`.
enum Mtu {
    Bytes(u16),
    Interface,
}

pub(super) fn read(options: &mut Options) -> Result<VhostSpec, String> {
    let seconds = |text: &str| {
        text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
    };
    let name = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    // RFC 791 has 68 for the least; IPv4 and IPv6 need more, which is the guest's to know.
    let bytes = |text: &str| text.parse().ok().filter(|mtu| *mtu >= 68).map(Mtu::Bytes);
    let mtu = |text: &str| if text == "interface" { Some(Mtu::Interface) } else { bytes(text) };
    let (mtu, interface_mtu) = match options.take("mtu", mtu)? {
        Some(Mtu::Bytes(bytes)) => (Some(bytes), false),
        other => (None, other.is_some()),
    };
    let spec = VhostSpec {
        path: options.needed("PATH")?.into(),
        server: options.take("server", switch)?.unwrap_or(true),
        reconnect: options.take("reconnect", seconds)?,
        mode: options.take("mode", mode)?,
        group: options.take("group", name)?,
        user: options.take("user", name)?,
        mq: options.take("mq", switch)?.unwrap_or(true),
        csum: options.take("csum", switch)?.unwrap_or(true),
        tso: options.take("tso", switch)?.unwrap_or(true),
        gro: options.take("gro", switch)?.unwrap_or(true),
        config: options.take("config", switch)?.unwrap_or(false),
        mac: options.take("mac", mac)?,
        mtu,
        interface_mtu,
    };
    if spec.path.as_os_str().as_encoded_bytes().first() == Some(&b'@') {
        return Err("'vhost-user' has no abstract names: anybody could take them".into());
    }
    if !spec.server && spec.mode.is_some() {
        return Err("'mode' of 'vhost-user' goes with 'server=on'".into());
    }
    Ok(spec)
}

/// A mode that gives the owner access and the world none.
fn mode(text: &str) -> Option<u32> {
    u32::from_str_radix(text, 8).ok().filter(|mode| mode & !0o770 == 0 && mode & 0o600 == 0o600)
}

#[cfg(test)]
mod tests {
    use crate::peer_spec::PeerSpec;

    fn parse(text: &str) -> Result<super::VhostSpec, String> {
        match text.parse()? {
            PeerSpec::VhostUser(spec) => Ok(spec),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_least_form_listens() {
        let spec = parse("vhost-user=/run/x").unwrap();
        assert_eq!((spec.server, spec.reconnect, spec.mode, spec.mq), (true, None, None, true));
        assert_eq!((spec.config, spec.mac, spec.mtu), (false, None, None));
    }

    #[test]
    fn the_mtu_is_a_number_or_the_interfaces() {
        assert_eq!(parse("vhost-user=x,mtu=1400").unwrap().on(9000).mtu, Some(1400));
        assert_eq!(parse("vhost-user=x,mtu=interface").unwrap().on(9000).mtu, Some(9000));
        assert_eq!(parse("vhost-user=x,mtu=interface").unwrap().on(70_000).mtu, None);
        assert_eq!(parse("vhost-user=x").unwrap().on(9000).mtu, None);
        assert!(parse("vhost-user=x,mtu=large").is_err());
    }

    #[test]
    fn all_options_are_read() {
        let spec = parse(
            "vhost-user=x,mode=660,group=kvm,user=64055,mq=off,mac=02:00:00:00:00:07,mtu=1400",
        )
        .unwrap();
        assert_eq!(
            (spec.mode, spec.group.as_deref(), spec.user.as_deref()),
            (Some(0o660), Some("kvm"), Some("64055"))
        );
        assert_eq!((spec.mac, spec.mtu, spec.mq), (Some([2, 0, 0, 0, 0, 7]), Some(1400), false));
        assert!(!parse("vhost-user=x,server=off,reconnect=0.5").unwrap().server);
    }

    #[test]
    fn mistakes_are_named() {
        let cases = [
            ("vhost-user", "'vhost-user' needs PATH: vhost-user=PATH"),
            ("vhost-user=x,mode=666", "bad value '666' for 'mode' of 'vhost-user'"),
            ("vhost-user=x,mode=060", "bad value '060' for 'mode' of 'vhost-user'"),
            ("vhost-user=x,mode=4700", "bad value '4700' for 'mode' of 'vhost-user'"),
            ("vhost-user=@x", "'vhost-user' has no abstract names: anybody could take them"),
            ("vhost-user=x,server=off,mode=600", "'mode' of 'vhost-user' goes with 'server=on'"),
            ("vhost-user=x,mtu=67", "bad value '67' for 'mtu' of 'vhost-user'"),
            ("vhost-user=x,group=", "bad value '' for 'group' of 'vhost-user'"),
        ];
        for (text, message) in cases {
            assert_eq!(parse(text).unwrap_err(), message, "{text}");
        }
    }
}
