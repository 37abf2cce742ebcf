// SPDX-License-Identifier: MIT OR Apache-2.0
//! The grammar of `--peer`: `NAME[=VALUE][,KEY=VALUE…]`, where a comma in a value is written twice,
//! as in QEMU.
#![forbid(unsafe_code)]

mod vhost;

use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

pub use vhost::VhostSpec;

/// What `--help` says about peers.
pub fn help() -> String {
    format!("{HELP}\n{}", vhost::HELP)
}

const HELP: &str = "\
Peers (a comma inside a value is written twice):
  discard                  count the frames, send nothing
  reflect                  send each frame back with its addresses exchanged, without a copy
  echo=ADDR[,ADDR…][,mac=MAC]
                           answer ARP, neighbour discovery, ping and UDP echo for IPv4 and
                           IPv6 addresses; the MAC address is the interface's by default
  generate[,rate=N][,size=BYTES][,count=N][,dst=MAC][,src=MAC][,src-ip=A,dst-ip=B]
                           send numbered frames: rate in frames per second over all queues
                           (default: as fast as possible), size 60 to 4096 (default 60), count
                           (default: no limit), dst 02:00:00:00:00:01; with IPv4 addresses
                           as UDP to port 9, otherwise with ethertype 0x88b5
  forward                  to and from a second --netdev, queue for queue
  pcap=FILE[,rotate=BYTES][,keep=N]
                           write the frames to a pcap file with nanoseconds; at BYTES (k, M, G)
                           begin a new one and keep N old ones as FILE.1, FILE.2, … (default 9)
  stream=PATH|fd:N[,server=on|off][,reconnect=SECONDS]
                           speak to a QEMU's -netdev stream over a unix socket; connects, again
                           each second until it succeeds, or listens with server=on;
                           reconnect=0: end when the other side closes; fd:N is a connected
                           socket that was inherited; the backend ends when it closes";

/// A peer and its options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerSpec {
    /// `discard`
    Discard,
    /// `reflect`
    Reflect,
    /// `echo=ADDR,…`
    Echo(EchoSpec),
    /// `generate`
    Generate(GenerateSpec),
    /// `forward`
    Forward,
    /// `pcap=FILE`
    Pcap(PcapSpec),
    /// `stream=PATH`
    Stream(StreamSpec),
    /// `vhost-user=PATH`
    VhostUser(VhostSpec),
}

impl PeerSpec {
    /// The option that the peer needs where the interface's address is not known.
    pub(crate) fn lacks_address(&self) -> Option<&'static str> {
        match self {
            Self::Echo(spec) if spec.mac.is_none() => Some("mac"),
            Self::Generate(spec) if spec.src.is_none() => Some("src"),
            _ => None,
        }
    }

    /// The peer's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Discard => "discard",
            Self::Reflect => "reflect",
            Self::Echo(_) => "echo",
            Self::Generate(_) => "generate",
            Self::Forward => "forward",
            Self::Pcap(_) => "pcap",
            Self::Stream(_) => "stream",
            Self::VhostUser(_) => "vhost-user",
        }
    }
}

/// Options of `echo`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EchoSpec {
    /// The addresses to answer for; one at least.
    pub addresses: Vec<IpAddr>,
    /// The MAC address to answer with, unless it is the interface's.
    pub mac: Option<[u8; 6]>,
}

/// Options of `generate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenerateSpec {
    /// Destination MAC address.
    pub dst: [u8; 6],
    /// Source MAC address, unless it is the interface's.
    pub src: Option<[u8; 6]>,
    /// Bytes a frame, without the checksum of the wire.
    pub size: usize,
    /// Frames a second over all queues.
    pub rate: Option<u64>,
    /// Frames in all.
    pub count: Option<u64>,
    /// IPv4 source and destination.
    pub ip: Option<([u8; 4], [u8; 4])>,
}

/// Options of `pcap`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PcapSpec {
    /// The file.
    pub path: PathBuf,
    /// Bytes at which a new file is begun.
    pub rotate: Option<u64>,
    /// Old files that are kept.
    pub keep: u32,
}

/// Options of `stream`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamSpec {
    /// The unix socket.
    pub path: PathBuf,
    /// `fd:N`: a connected socket that was inherited, instead of a path.
    pub inherited: Option<RawFd>,
    /// Listen there, rather than connect.
    pub server: bool,
    /// Time between two attempts to connect; zero: end when the connection ends.
    pub reconnect: Option<Duration>,
}

impl PeerSpec {
    /// The path of its unix socket, if it has one.
    pub(crate) fn socket(&self) -> Option<&Path> {
        match self {
            Self::Stream(spec) if spec.inherited.is_none() => Some(&spec.path),
            Self::VhostUser(spec) => Some(&spec.path),
            _ => None,
        }
    }

    /// The descriptor that has to be taken over, if there is one.
    pub(crate) fn inherited(&self) -> Option<RawFd> {
        match self {
            Self::Stream(spec) => spec.inherited,
            _ => None,
        }
    }
}

/// The part behind the name: what followed `=`, and the keys.
struct Options {
    name: String,
    value: Option<String>,
    rest: Vec<(String, Option<String>)>,
}

impl FromStr for PeerSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut options = Options::parse(text);
        let spec = match options.name.as_str() {
            "discard" => Self::Discard,
            "reflect" => Self::Reflect,
            "forward" => Self::Forward,
            "echo" => Self::Echo(echo(&mut options)?),
            "generate" => Self::Generate(generate(&mut options)?),
            "pcap" => Self::Pcap(pcap(&mut options)?),
            "stream" => Self::Stream(stream(&mut options)?),
            "vhost-user" => Self::VhostUser(vhost::read(&mut options)?),
            other => return Err(format!("there is no peer '{other}'")),
        };
        options.finish()?;
        Ok(spec)
    }
}

impl Options {
    fn parse(text: &str) -> Self {
        let mut parts = split(text).into_iter().map(|part| match part.split_once('=') {
            Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
            None => (part, None),
        });
        let (name, value) = parts.next().unwrap_or_default();
        Self { name, value, rest: parts.collect() }
    }

    fn needed(&mut self, what: &str) -> Result<String, String> {
        let value = self.value.take().filter(|value| !value.is_empty());
        value.ok_or_else(|| format!("'{0}' needs {what}: {0}={what}", self.name))
    }

    /// The last value of `key`, taken out.
    fn take<T>(
        &mut self,
        key: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, String> {
        let mut found = None;
        while let Some(at) =
            self.rest.iter().position(|(known, value)| known == key && value.is_some())
        {
            let text = self.rest.remove(at).1.unwrap_or_default();
            let value = read(&text)
                .ok_or_else(|| format!("bad value '{text}' for '{key}' of '{}'", self.name));
            found = Some(value?);
        }
        Ok(found)
    }

    fn finish(&self) -> Result<(), String> {
        if let Some(value) = &self.value {
            return Err(format!("'{}' takes no value, but got '{value}'", self.name));
        }
        match self.rest.first() {
            Some((key, _)) => Err(format!("'{}' has no option '{key}'", self.name)),
            None => Ok(()),
        }
    }
}

/// Splits at single commas; two in a row are one that belongs to the value.
fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let ends = character == ',' && characters.next_if_eq(&',').is_none();
        match parts.last_mut() {
            Some(last) if !ends => last.push(character),
            _ => parts.push(String::new()),
        }
    }
    parts
}

fn echo(options: &mut Options) -> Result<EchoSpec, String> {
    let mut texts = vec![options.needed("ADDR")?];
    options.rest.retain(|(key, value)| {
        if value.is_none() {
            texts.push(key.clone());
        }
        value.is_some()
    });
    let parse = |text: &String| text.parse().map_err(|_| format!("'{text}' is not an IP address"));
    let addresses = texts.iter().map(parse).collect::<Result<_, _>>()?;
    Ok(EchoSpec { addresses, mac: options.take("mac", mac)? })
}

fn generate(options: &mut Options) -> Result<GenerateSpec, String> {
    let number = |text: &str| text.parse::<u64>().ok().filter(|number| *number > 0);
    let address = |text: &str| text.parse::<Ipv4Addr>().ok().map(|address| address.octets());
    let size = |text: &str| text.parse().ok().filter(|size| (60..=4096).contains(size));
    let ip = match (options.take("src-ip", address)?, options.take("dst-ip", address)?) {
        (Some(from), Some(to)) => Some((from, to)),
        (None, None) => None,
        _ => return Err("'src-ip' and 'dst-ip' of 'generate' go together".to_owned()),
    };
    Ok(GenerateSpec {
        dst: options.take("dst", mac)?.unwrap_or([2, 0, 0, 0, 0, 1]),
        src: options.take("src", mac)?,
        size: options.take("size", size)?.unwrap_or(60),
        rate: options.take("rate", number)?,
        count: options.take("count", number)?,
        ip,
    })
}

fn pcap(options: &mut Options) -> Result<PcapSpec, String> {
    Ok(PcapSpec {
        path: options.needed("FILE")?.into(),
        rotate: options.take("rotate", bytes)?,
        keep: options.take("keep", |text| text.parse().ok().filter(|keep| *keep > 0))?.unwrap_or(9),
    })
}

fn stream(options: &mut Options) -> Result<StreamSpec, String> {
    let seconds = |text: &str| {
        text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
    };
    let path = options.needed("PATH")?;
    let spec = StreamSpec {
        inherited: path.strip_prefix("fd:").map(descriptor).transpose()?,
        path: path.into(),
        server: options.take("server", switch)?.unwrap_or(false),
        reconnect: options.take("reconnect", seconds)?,
    };
    if spec.inherited.is_some() && (spec.server || spec.reconnect.is_some()) {
        return Err("'stream=fd:N' goes with neither 'server' nor 'reconnect'".into());
    }
    Ok(spec)
}

fn descriptor(text: &str) -> Result<RawFd, String> {
    text.parse().map_err(|_| format!("bad descriptor '{text}' of 'stream'"))
}

fn switch(text: &str) -> Option<bool> {
    match text {
        "on" | "yes" => Some(true),
        "off" | "no" => Some(false),
        _ => None,
    }
}

/// A number of bytes, with a power of 1024 behind it.
fn bytes(text: &str) -> Option<u64> {
    let units = [('k', 1 << 10), ('K', 1 << 10), ('M', 1 << 20), ('G', 1 << 30)];
    let unit = units.into_iter().find(|(unit, _)| text.ends_with(*unit));
    let (digits, factor) = unit.map_or((text, 1), |(_, factor)| (&text[..text.len() - 1], factor));
    digits.parse::<u64>().ok()?.checked_mul(factor).filter(|bytes| *bytes >= 1024)
}

fn mac(text: &str) -> Option<[u8; 6]> {
    let mut mac = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut mac {
        let part = parts.next().filter(|part| part.len() == 2 && !part.starts_with('+'))?;
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<PeerSpec, String> {
        text.parse()
    }

    #[test]
    fn every_peer_has_its_least_form() {
        assert_eq!(parse("discard"), Ok(PeerSpec::Discard));
        assert_eq!(parse("reflect"), Ok(PeerSpec::Reflect));
        assert_eq!(parse("forward"), Ok(PeerSpec::Forward));
        let PeerSpec::Generate(spec) = parse("generate").unwrap() else { panic!() };
        assert_eq!(
            (spec.size, spec.rate, spec.count, spec.dst),
            (60, None, None, [2, 0, 0, 0, 0, 1])
        );
        let pcap = PcapSpec { path: "x".into(), rotate: None, keep: 9 };
        assert_eq!(parse("pcap=x"), Ok(PeerSpec::Pcap(pcap)));
        let stream =
            StreamSpec { path: "/run/x".into(), inherited: None, server: false, reconnect: None };
        assert_eq!(parse("stream=/run/x"), Ok(PeerSpec::Stream(stream)));
    }

    #[test]
    fn options_are_read() {
        let PeerSpec::Echo(spec) = parse("echo=10.0.0.2,fd00::2,mac=02:00:00:00:00:ff").unwrap()
        else {
            panic!()
        };
        assert_eq!(
            spec.addresses,
            ["10.0.0.2", "fd00::2"].map(|text| text.parse::<IpAddr>().unwrap())
        );
        assert_eq!(spec.mac, Some([2, 0, 0, 0, 0, 255]));
        let PeerSpec::Generate(spec) =
            parse("generate,rate=10,size=100,count=7,src-ip=1.2.3.4,dst-ip=1.2.3.5").unwrap()
        else {
            panic!()
        };
        assert_eq!((spec.rate, spec.size, spec.count), (Some(10), 100, Some(7)));
        assert_eq!(spec.ip, Some(([1, 2, 3, 4], [1, 2, 3, 5])));
        let spec = PcapSpec { path: "a,b=c".into(), rotate: Some(10 << 20), keep: 2 };
        assert_eq!(parse("pcap=a,,b=c,rotate=10M,keep=2"), Ok(PeerSpec::Pcap(spec)));
        let spec = StreamSpec {
            path: "s".into(),
            inherited: None,
            server: true,
            reconnect: Some(Duration::from_millis(500)),
        };
        assert!(matches!(
            parse("stream=fd:7"),
            Ok(PeerSpec::Stream(StreamSpec { inherited: Some(7), .. }))
        ));
        assert_eq!(parse("stream=s,server=on,reconnect=0.5"), Ok(PeerSpec::Stream(spec)));
    }

    #[test]
    fn mistakes_are_named() {
        let cases = [
            ("", "there is no peer ''"),
            ("mirror", "there is no peer 'mirror'"),
            ("reflect=1", "'reflect' takes no value, but got '1'"),
            ("reflect,fast=on", "'reflect' has no option 'fast'"),
            ("echo", "'echo' needs ADDR: echo=ADDR"),
            ("echo=", "'echo' needs ADDR: echo=ADDR"),
            ("echo=10.0.0.256", "'10.0.0.256' is not an IP address"),
            ("echo=10.0.0.2,mac=2:0:0:0:0:1", "bad value '2:0:0:0:0:1' for 'mac' of 'echo'"),
            ("generate,size=59", "bad value '59' for 'size' of 'generate'"),
            ("generate,rate=0", "bad value '0' for 'rate' of 'generate'"),
            ("generate,src-ip=1.2.3.4", "'src-ip' and 'dst-ip' of 'generate' go together"),
            (
                "pcap=x,rotate=99999999999999999999G",
                "bad value '99999999999999999999G' for 'rotate' of 'pcap'",
            ),
            ("stream=x,server=maybe", "bad value 'maybe' for 'server' of 'stream'"),
            ("stream=fd:x", "bad descriptor 'x' of 'stream'"),
            ("stream=fd:7,server=on", "'stream=fd:N' goes with neither 'server' nor 'reconnect'"),
            ("stream=x,reconnect=-1", "bad value '-1' for 'reconnect' of 'stream'"),
        ];
        for (text, message) in cases {
            assert_eq!(parse(text).unwrap_err(), message, "{text}");
        }
    }
}
