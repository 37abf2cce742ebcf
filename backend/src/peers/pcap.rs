// SPDX-License-Identifier: MIT OR Apache-2.0
//! `pcap=FILE`: writes what comes to a file that tcpdump and tshark read, with times in nanoseconds
//! (magic 0xa1b23c4d, "pcap savefile format", draft-ietf-opsawg-pcap). All queues write to one
//! file.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use xsk_socket::RxBatch;

use super::Peer;
use crate::counters::Counters;
use crate::error::{self, Error};
use crate::peer_spec::PcapSpec;

const HEADER: usize = 24;
const RECORD: usize = 16;

/// The capture, shared by the queues.
#[derive(Debug)]
pub(super) struct Capture {
    path: PathBuf,
    out: BufWriter<File>,
    written: u64,
    rotate: Option<u64>,
    keep: u32,
}

/// Opens the file of `spec`, truncating it.
pub(super) fn open(spec: &PcapSpec) -> Result<Arc<Mutex<Capture>>, Error> {
    let out = start(&spec.path).map_err(|error| failed(&spec.path, &error))?;
    let (path, rotate, keep) = (spec.path.clone(), spec.rotate, spec.keep);
    Ok(Arc::new(Mutex::new(Capture { path, out, written: HEADER as u64, rotate, keep })))
}

fn failed(path: &Path, error: &io::Error) -> Error {
    error::io(
        &path.display().to_string(),
        "write the capture",
        io::Error::new(error.kind(), error.to_string()),
    )
}

fn start(path: &Path) -> io::Result<BufWriter<File>> {
    let mut out = BufWriter::with_capacity(1 << 18, File::create(path)?);
    out.write_all(&header())?;
    Ok(out)
}

/// Version 2.4, no time zone, frames up to 256 KiB, as tcpdump says it; Ethernet; in this machine's
/// byte order.
fn header() -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..4].copy_from_slice(&0xa1b2_3c4d_u32.to_ne_bytes());
    header[4..6].copy_from_slice(&2_u16.to_ne_bytes());
    header[6..8].copy_from_slice(&4_u16.to_ne_bytes());
    header[16..20].copy_from_slice(&0x4_0000_u32.to_ne_bytes());
    header[20..24].copy_from_slice(&1_u32.to_ne_bytes());
    header
}

fn record(at: Duration, len: usize) -> [u8; RECORD] {
    let mut record = [0; RECORD];
    record[..4].copy_from_slice(&(at.as_secs() as u32).to_ne_bytes());
    record[4..8].copy_from_slice(&at.subsec_nanos().to_ne_bytes());
    record[8..12].copy_from_slice(&(len as u32).to_ne_bytes());
    record[12..16].copy_from_slice(&(len as u32).to_ne_bytes());
    record
}

impl Capture {
    fn write(&mut self, at: Duration, frame: &[u8]) -> io::Result<()> {
        let len = (RECORD + frame.len()) as u64;
        if self
            .rotate
            .is_some_and(|limit| self.written > HEADER as u64 && self.written + len > limit)
        {
            self.rotate()?;
        }
        self.out.write_all(&record(at, frame.len()))?;
        self.out.write_all(frame)?;
        self.written += len;
        Ok(())
    }

    /// FILE becomes FILE.1, FILE.1 becomes FILE.2, and so on; the oldest goes.
    fn rotate(&mut self) -> io::Result<()> {
        self.out.flush()?;
        for number in (0..self.keep).rev() {
            match std::fs::rename(numbered(&self.path, number), numbered(&self.path, number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.out = start(&self.path)?;
        self.written = HEADER as u64;
        Ok(())
    }
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    if number == 0 {
        return path.to_owned();
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

/// The peer.
pub(super) struct Pcap {
    capture: Arc<Mutex<Capture>>,
    unflushed: bool,
}

impl Pcap {
    pub(super) fn new(capture: Arc<Mutex<Capture>>) -> Self {
        Self { capture, unflushed: false }
    }

    fn with(&self, work: impl FnOnce(&mut Capture) -> io::Result<()>) -> Result<(), Error> {
        let mut capture: MutexGuard<'_, Capture> =
            self.capture.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut capture).map_err(|error| failed(&capture.path, &error))
    }
}

impl Peer for Pcap {
    fn receive(&mut self, batch: &mut RxBatch<'_>, _counters: &Counters) -> Result<(), Error> {
        // One clock reading a batch: the frames were received before it, and are in order.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.unflushed = true;
        self.with(|capture| batch.iter().try_for_each(|frame| capture.write(now, frame)))
    }

    fn idle(&mut self) -> Result<(), Error> {
        self.finish()
    }

    fn finish(&mut self) -> Result<(), Error> {
        if std::mem::take(&mut self.unflushed) {
            self.with(|capture| capture.out.flush())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_nanoseconds() {
        let record = record(Duration::new(1, 2), 60);
        let words: Vec<_> =
            record.chunks_exact(4).map(|w| u32::from_ne_bytes(w.try_into().unwrap())).collect();
        assert_eq!(words, [1, 2, 60, 60]);
    }

    #[test]
    fn files_rotate_and_the_oldest_goes() {
        let dir = std::env::temp_dir().join(format!("xsk-backend-pcap-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("x.pcap");
        // Room for two frames of 60 bytes a file.
        let spec = PcapSpec { path: path.clone(), rotate: Some(24 + 2 * 76), keep: 2 };
        let capture = open(&spec).unwrap();
        for number in 0..9_u8 {
            capture.lock().unwrap().write(Duration::ZERO, &[number; 60]).unwrap();
        }
        capture.lock().unwrap().out.flush().unwrap();
        let first_of = |path: PathBuf| std::fs::read(path).unwrap()[24 + 16];
        assert_eq!(first_of(path.clone()), 8);
        assert_eq!(first_of(numbered(&path, 1)), 6);
        assert_eq!(first_of(numbered(&path, 2)), 4);
        assert!(!numbered(&path, 3).exists());
        assert_eq!(std::fs::metadata(numbered(&path, 1)).unwrap().len(), 24 + 2 * 76);
        std::fs::remove_dir_all(dir).unwrap();
    }
}
