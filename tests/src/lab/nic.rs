// SPDX-License-Identifier: MIT OR Apache-2.0
//! Real network cards: those that a VM of `make vm` has beside the cables of a lab. At the other
//! end of each is the machine that runs the VM; it has [`Nic::peer`] there, echoes UDP on port 7,
//! pings [`PINGED`] all the time, and takes every [`Nic::address`] for the card's
//! (tests/scripts/vm-net.sh).

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use xsk_proto::{Acquire, Param, Value};

use super::{Lab, SOON, wait};

/// The port on which the other end sends back what it gets.
const ECHO: u16 = 7;

/// The address of a guest, which is not the card's own.
pub const GUEST_MAC: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];

/// The address that the other end pings all the time.
pub const PINGED: u8 = 60;

/// Its link-layer address.
const PEER_MAC: [u8; 6] = [0x02, 0, 0, 0, 0x88, 0x01];

/// How long a namespace may take to end, on a slow machine.
const BACK: Duration = Duration::from_secs(60);

/// A card is one test's at a time.
static TAKEN: Mutex<()> = Mutex::new(());

/// A card that is in the lab; it goes back to where it came from with the lab's namespace.
#[derive(Debug)]
pub struct Nic {
    /// Its name in the lab.
    pub ifname: String,
    /// Its index.
    pub ifindex: u32,
    mac: [u8; 6],
    net: u8,
    _taken: MutexGuard<'static, ()>,
}

/// The card outside of any lab that has this driver. The name that it has there.
fn outside(driver: &str) -> Option<String> {
    let has = |name: &str| {
        let link = fs::read_link(Path::new("/sys/class/net").join(name).join("device/driver"));
        link.is_ok_and(|path| path.ends_with(driver))
    };
    let names = fs::read_dir("/sys/class/net").ok()?.flatten();
    names.map(|entry| entry.file_name().to_string_lossy().into_owned()).find(|name| has(name))
}

/// The second byte of the network of the card.
fn net_of(driver: &str) -> u8 {
    if driver == "igb" { 89 } else { 88 }
}

/// Takes the card with this driver out of the VM and makes a lab with it. Elsewhere a card is
/// somebody's own, and the answer is `None`, which is said.
///
/// # Panics
/// Where the VM has no such card.
pub fn lab_with(driver: &str) -> Option<(Nic, Lab)> {
    if std::env::var_os("XSK_VM").is_none() {
        super::say_elsewhere(&format!("it takes a card with the driver {driver} for itself"));
        return None;
    }
    let taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    // The last test's namespace lets go of it a moment after that test.
    let name =
        wait::wait_for(BACK, &format!("a card with the driver {driver}"), || outside(driver));
    let lab = Lab::new().unwrap_or_else(|why| panic!("{why}"));
    lab.space.take_from_outside(&name);
    super::link::ip(&["link", "set", "dev", &name, "up"]);
    let mac = fs::read_to_string(format!("/sys/class/net/{name}/address")).unwrap();
    let bytes: Vec<u8> =
        mac.trim().split(':').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
    let nic = Nic {
        ifindex: lab.ifindex(&name),
        ifname: name,
        mac: bytes.try_into().unwrap(),
        net: net_of(driver),
        _taken: taken,
    };
    Some((nic, lab))
}

impl Nic {
    /// One of the addresses that the other end takes for this card's; there are 2 to 63.
    pub fn address(&self, n: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, self.net, 0, n)
    }

    /// Who answers at the other end.
    pub fn peer(&self) -> Ipv4Addr {
        self.address(1)
    }

    /// A UDP datagram from one of the card's addresses to the echo, as a frame.
    pub fn datagram(&self, n: u8, text: &str) -> Vec<u8> {
        self.datagram_of(self.mac, n, text)
    }

    /// The same from another MAC address. What the other end has for 100 and 101 is [`GUEST_MAC`].
    pub fn datagram_of(&self, mac: [u8; 6], n: u8, text: &str) -> Vec<u8> {
        let payload = text.as_bytes();
        let udp = (8 + payload.len()) as u16;
        let mut ip = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0];
        ip[2..4].copy_from_slice(&(20 + udp).to_be_bytes());
        ip.extend(self.address(n).octets());
        ip.extend(self.peer().octets());
        let sum = checksum(&ip);
        ip[10..12].copy_from_slice(&sum.to_be_bytes());
        let mut frame = PEER_MAC.to_vec();
        frame.extend(mac);
        frame.extend([0x08, 0x00]);
        frame.extend(ip);
        // A checksum of 0 says that there is none.
        for word in [40_000u16, ECHO, udp, 0] {
            frame.extend(word.to_be_bytes());
        }
        frame.extend(payload);
        frame.resize(frame.len().max(60), 0);
        frame
    }

    /// The text of a datagram that came from the echo for one of the card's addresses, and which
    /// one it was.
    pub fn echoed(&self, frame: &[u8]) -> Option<(u8, String)> {
        let ours = frame.get(12..14)? == [0x08, 0x00] && *frame.get(23)? == 17;
        let from =
            frame.get(26..30)? == self.peer().octets() && frame.get(34..36)? == ECHO.to_be_bytes();
        let length =
            usize::from(u16::from_be_bytes(frame.get(38..40)?.try_into().ok()?)).checked_sub(8)?;
        let text = String::from_utf8_lossy(frame.get(42..42 + length)?).into_owned();
        (ours && from).then_some((*frame.get(33)?, text))
    }
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let sum: u32 =
        bytes.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !((folded & 0xffff) + (folded >> 16)) as u16
}

impl Lab {
    /// Whether the echo's answer to a guest arrives at queue 0 within the time, the lease having
    /// these options.
    pub fn guest_hears(&self, nic: &Nic, params: Vec<Param>, within: Duration) -> bool {
        let (wire, _helper) = self.exec(&self.user);
        wire.greet();
        let mut grant =
            wire.ask(Acquire { params, ..super::wire::acquire(&nic.ifname, 0, 1) }).unwrap();
        let mut bound =
            super::afxdp::bind_within(grant.sockets.remove(0), nic.ifindex, 0, SOON).unwrap();
        let end = Instant::now() + within;
        while Instant::now() < end {
            // While the link is not up yet nothing leaves, and there is no room for all.
            let _ = bound.send(&nic.datagram_of(GUEST_MAC, 100, "to the guest"));
            bound.flush().unwrap();
            let pause = Instant::now() + Duration::from_millis(500);
            while Instant::now() < pause {
                bound.wait(Some(Duration::from_millis(20))).unwrap();
                if bound
                    .recv(64)
                    .iter()
                    .filter_map(|frame| nic.echoed(frame))
                    .any(|(to, _)| to == 100)
                {
                    return true;
                }
            }
        }
        false
    }

    /// A card filters for the guest's address: nothing comes without a wish, and with either wish
    /// it does.
    pub fn guest_passes_the_filter(&self, nic: &Nic) {
        let rule = format!("[[allow]]\nusers = [{}]\ninterfaces = [\"*\"]\n", self.user.uid);
        self.policy(&(rule + "macs = [\"52:54:00:12:34:56\"]\npromisc = true\n"));
        let param = |name: &str, value| vec![Param { name: name.into(), value }];
        let macs = param("macs", Value::Text("52:54:00:12:34:56".into()));
        assert!(
            self.guest_hears(nic, macs, Duration::from_secs(60)),
            "not with the address in the filter"
        );
        self.nothing_left(&nic.ifname, &[]);
        assert!(!self.guest_hears(nic, vec![], Duration::from_secs(8)), "the card does not filter");
        self.nothing_left(&nic.ifname, &[]);
        let promisc = param("promisc", Value::Flag(true));
        assert!(self.guest_hears(nic, promisc, Duration::from_secs(60)), "not in promiscuous mode");
        self.nothing_left(&nic.ifname, &[]);
    }

    /// The backend on two queues of the card answers the other end, which pings all the time, for
    /// so long; `mode` is a part of what it says when it is ready.
    pub fn backend_answers(&self, nic: &Nic, mode: &str, time: Duration) {
        let mut running = self
            .client("run")
            .arg("--")
            .arg(self.bin("xsk-backend"))
            .args(["--netdev", &format!("af-xdp,id=n0,ifname={},queues=2", nic.ifname)])
            .args(["--peer", &format!("echo={}", nic.address(PINGED))])
            .start();
        running.says("ready:", SOON);
        assert!(running.stdout().contains(mode), "{}", running.stdout());
        std::thread::sleep(time);
        running.signal(Signal::SIGTERM);
        let done = running.finish(SOON).ok();
        let sent = |line: &str| line.split("tx ").nth(1)?.split(' ').next()?.parse::<u64>().ok();
        let answered: u64 = done.stdout.lines().filter_map(sent).sum();
        assert!(answered >= 3, "{answered} pings were answered:\n{}", done.stdout);
    }

    /// How many queue pairs the card uses.
    pub fn channels(&self, nic: &Nic, count: u32) {
        let done =
            self.cmd("ethtool").args(["-L", &nic.ifname, "combined", &count.to_string()]).run(SOON);
        // It says so, and fails, where there is nothing to change.
        assert!(done.status.success() || done.stderr.contains("unmodified"), "{done:?}");
    }
}
