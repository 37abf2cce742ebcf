// SPDX-License-Identifier: MIT OR Apache-2.0
//! A host with syslog and without journald: the test is its syslogd.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};

use super::{Lab, sys, wait};

/// The devices of such a host.
const DEVICES: [&str; 4] = ["null", "zero", "full", "urandom"];

/// What the processes of this host log.
#[derive(Debug)]
pub struct Syslog(UnixDatagram);

impl Lab {
    /// Becomes a host with syslog.
    pub fn syslog(&self) -> Syslog {
        if Path::new("/run/systemd").is_dir() {
            cover("/run/systemd".as_ref());
        }
        let dev = self.path("dev");
        fs::create_dir(&dev).unwrap();
        cover(&dev);
        for device in DEVICES {
            fs::File::create(dev.join(device)).unwrap();
            bind(&Path::new("/dev").join(device), &dev.join(device));
        }
        bind(&dev, "/dev".as_ref());
        let socket = UnixDatagram::bind("/dev/log").unwrap();
        sys::chmod("/dev/log".as_ref(), 0o666);
        socket.set_read_timeout(Some(wait::SOON)).unwrap();
        Syslog(socket)
    }
}

fn cover(dir: &Path) {
    mount(Some("lab"), dir, Some("tmpfs"), MsFlags::empty(), Some("mode=0755")).unwrap();
}

fn bind(what: &Path, onto: &Path) {
    mount(Some(what), onto, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)
        .unwrap();
}

impl Syslog {
    /// The next line with this in it; others may come before.
    #[track_caller]
    pub fn line(&self, what: &str) -> String {
        loop {
            let mut buffer = [0; 4096];
            let length = self
                .0
                .recv(&mut buffer)
                .unwrap_or_else(|e| panic!("nothing of {what:?} was logged: {e}"));
            let line = std::str::from_utf8(&buffer[..length]).unwrap();
            if line.contains(what) {
                return line.to_owned();
            }
        }
    }
}

impl Syslog {
    /// Reads one line at a time, with this pause between two, until nothing has come for a second
    /// since it is `over`.
    pub fn read_slowly(&self, pause: Duration, over: &AtomicBool) -> Vec<String> {
        self.0.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        let (began, mut taken) = (Instant::now(), 0);
        let mut lines = Vec::new();
        let mut buffer = [0; 8192];
        loop {
            match self.0.recv(&mut buffer) {
                Ok(length) => lines.push(String::from_utf8_lossy(&buffer[..length]).into_owned()),
                Err(_) if over.load(Ordering::Relaxed) => return lines,
                Err(_) => {}
            }
            taken += 1;
            // A thread that a busy machine wakes late catches up.
            std::thread::sleep((pause * taken).saturating_sub(began.elapsed()));
        }
    }
}

/// Fills the log's socket as any user can, until it is `over`; returns how often there was room.
pub fn flood(over: &AtomicBool) -> u64 {
    let socket = UnixDatagram::unbound().unwrap();
    socket.connect("/dev/log").unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut sent = 0;
    while !over.load(Ordering::Relaxed) {
        sent += u64::from(socket.send(b"<13>flood").is_ok());
    }
    sent
}
