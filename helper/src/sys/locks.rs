// SPDX-License-Identifier: MIT OR Apache-2.0
//! Record locks over ranges of a file that has no bytes (fcntl(2), "Advisory record locking").
//!
//! Not flock(2) and not open-file-description locks, because only for these F_GETLK tells which
//! byte is locked and which process holds it. They are released when the process ends, however it
//! ends. They also go when that process closes any descriptor of the file, so a process opens each
//! lock file once.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use super::check;

/// No process that keeps to the rules takes more locks than this in one range, so they are not
/// counted to their end.
const MOST: usize = 1 << 17;

/// A range of a lock file, and who holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HeldRange {
    pub(crate) start: u64,
    /// At least 1: a lock of length 0, which goes on to the end of every file, ends with the range
    /// that was asked about.
    pub(crate) len: u64,
    /// As our process-id namespace numbers it; 0 for a process outside of it.
    pub(crate) pid: u32,
}

fn record(kind: libc::c_int, start: u64, len: u64) -> libc::flock {
    libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: start as libc::off_t,
        l_len: len as libc::off_t,
        l_pid: 0,
    }
}

/// Takes the range. Returns false if another process has a part of it.
pub(crate) fn try_lock(file: &File, start: u64, len: u64) -> io::Result<bool> {
    try_lock_as(libc::F_WRLCK, file, start, len)
}

/// Takes the range together with others who take it so.
pub(crate) fn try_share(file: &File, start: u64, len: u64) -> io::Result<bool> {
    try_lock_as(libc::F_RDLCK, file, start, len)
}

fn try_lock_as(kind: libc::c_int, file: &File, start: u64, len: u64) -> io::Result<bool> {
    let lock = record(kind, start, len);
    // SAFETY: `lock` outlives the call, and the descriptor is open.
    match check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLK, &lock) }) {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.raw_os_error(), Some(libc::EACCES | libc::EAGAIN)) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Takes the range. Returns false if after `patience` another process still has a part of it. Tries
/// often at first, because most locks are held for a moment.
pub(crate) fn lock_within(
    file: &File,
    start: u64,
    len: u64,
    patience: Duration,
) -> io::Result<bool> {
    let deadline = Instant::now() + patience;
    let mut pause = Duration::from_micros(100);
    while !try_lock(file, start, len)? {
        if Instant::now() >= deadline {
            return Ok(false);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(5));
    }
    Ok(true)
}

/// Gives the range back.
pub(crate) fn unlock(file: &File, start: u64, len: u64) -> io::Result<()> {
    let lock = record(libc::F_UNLCK, start, len);
    // SAFETY: `lock` outlives the call, and the descriptor is open.
    check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLK, &lock) }).map(drop)
}

/// A lock of another process that overlaps the range; which one of several is the kernel's choice.
pub(crate) fn holder(file: &File, start: u64, len: u64) -> io::Result<Option<HeldRange>> {
    let mut lock = record(libc::F_WRLCK, start, len);
    // SAFETY: `lock` outlives the call, and the descriptor is open.
    check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETLK, &mut lock) })?;
    if i32::from(lock.l_type) == libc::F_UNLCK {
        return Ok(None);
    }
    let pid = u32::try_from(lock.l_pid).unwrap_or(0);
    let held = lock.l_start as u64;
    let len = if lock.l_len == 0 { (start + len).saturating_sub(held) } else { lock.l_len as u64 };
    Ok(Some(HeldRange { start: held, len: len.max(1), pid }))
}

/// Every lock of another process between two bytes. F_GETLK answers with any lock in a range, so
/// the ranges before and after it are asked in turn.
///
/// # Errors
/// Also if there are more locks than any process that keeps to the rules takes.
pub(crate) fn holders(file: &File, from: u64, to: u64) -> io::Result<Vec<HeldRange>> {
    let mut found = Vec::new();
    let mut ranges = vec![(from, to)];
    while let Some((from, to)) = ranges.pop() {
        if from >= to {
            continue;
        }
        if let Some(held) = holder(file, from, to - from)? {
            ranges.push((from, held.start));
            ranges.push((held.start.saturating_add(held.len), to));
            found.push(held);
        }
        if found.len() > MOST {
            return Err(io::Error::other("there are more locks than any use of the file explains"));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    //! A process does not see its own locks, so a child takes them.

    use nix::sys::signal::{Signal, kill};
    use nix::sys::wait::waitpid;
    use nix::unistd::{Pid, pipe, read, write};

    use super::super::process::exit_now;
    use super::*;

    /// What another process is seen to hold in the first hundred bytes, with these locks of its
    /// own.
    fn seen(locks: &[(u64, u64)]) -> Vec<(u64, u64)> {
        let path =
            std::env::temp_dir().join(format!("xsk-locks-{}-{}", std::process::id(), locks.len()));
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .unwrap();
        std::fs::remove_file(&path).unwrap();
        let (ready, done) = pipe().unwrap();
        // SAFETY: the child makes system calls only, and ends without running anything of the
        // parent's.
        let child = check(unsafe { libc::fork() }).unwrap();
        if child == 0 {
            let taken =
                locks.iter().all(|(start, len)| try_lock(&file, *start, *len).unwrap_or(false));
            if taken {
                let _ = write(&done, b"!");
                std::thread::sleep(Duration::from_secs(60));
            }
            exit_now(1);
        }
        drop(done);
        assert_eq!(read(&ready, &mut [0]), Ok(1), "the locks could not be taken");
        let held = holders(&file, 0, 100).unwrap();
        kill(Pid::from_raw(child), Signal::SIGKILL).unwrap();
        waitpid(Pid::from_raw(child), None).unwrap();
        let mut held: Vec<_> = held.into_iter().map(|held| (held.start, held.len)).collect();
        held.sort_unstable();
        held
    }

    #[test]
    fn every_lock_is_found_once() {
        assert_eq!(seen(&[(0, 1), (7, 2), (99, 1)]), [(0, 1), (7, 2), (99, 1)]);
    }

    #[test]
    fn a_lock_without_an_end_is_one_lock() {
        assert_eq!(seen(&[(3, 1), (10, 0)]), [(3, 1), (10, 90)]);
    }
}
