// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line of the process that does the work, made of the supervisor's own.
#![forbid(unsafe_code)]

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use xsk_client::netdev::{Netdev, Place};

/// What the supervisor keeps to itself. True: with a value.
const OWN: [(&str, bool); 5] = [
    ("--supervise", false),
    ("--syslog", false),
    ("--log-file", true),
    ("--notify-fd", true),
    ("--folder", true),
];

/// A wait that another one takes the place of.
const OTHER_WAIT: [(&str, bool); 1] = [("--wait", false)];

/// How long a process that is started again waits for the queues that its predecessor had: the
/// kernel lets them go a while after the end of that process.
const WAIT: &str = "--wait=10";

const NETDEV: &str = "--netdev";

/// The words of the first process, which inherits what the supervisor did.
pub(super) fn first(words: &[OsString]) -> Vec<OsString> {
    without(words, &OWN)
}

/// The words of any later one, which acquires a lease of its own.
pub(super) fn again(words: &[OsString]) -> Vec<OsString> {
    let mut words = without(&without(words, &OWN), &OTHER_WAIT);
    let mut is_value = false;
    for word in &mut words {
        if std::mem::replace(&mut is_value, *word == NETDEV) {
            *word = acquired(word);
        } else if let Some(text) = value_of(word, NETDEV) {
            let mut whole = OsString::from("--netdev=");
            whole.push(acquired(text));
            *word = whole;
        }
    }
    words.push(WAIT.into());
    words
}

/// What stands behind `NAME=` in a word.
fn value_of<'a>(word: &'a OsStr, name: &str) -> Option<&'a OsStr> {
    let rest = word.as_bytes().strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
    Some(OsStr::from_bytes(rest))
}

fn without(words: &[OsString], options: &[(&str, bool)]) -> Vec<OsString> {
    let mut kept = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match options.iter().find(|(name, _)| word == name || value_of(word, name).is_some()) {
            None => kept.push(word.clone()),
            Some((name, true)) if word == name => drop(words.next()),
            Some(_) => {}
        }
    }
    kept
}

/// The netdev without the sockets that it inherits.
fn acquired(text: &OsStr) -> OsString {
    let Ok(Some(netdev)) = Netdev::parse(text, Place::Backend) else { return text.to_owned() };
    let options = netdev.options();
    let mode = options.mode.map(|mode| format!(",mode={}", mode.name())).unwrap_or_default();
    let copy = if options.force_copy { ",force-copy=on" } else { "" };
    let ifname = options.ifname.replace(',', ",,");
    let queues = if options.all_queues { "all".to_owned() } else { options.queues.to_string() };
    let first = options.start_queue;
    format!("af-xdp,ifname={ifname},queues={queues},start-queue={first}{mode}{copy}").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn the_first_process_has_all_but_the_supervisors_own() {
        let all = words(
            "--supervise --syslog --netdev af-xdp,ifname=x,inhibit=on,sock-fds=5 --notify-fd 7 \
             --log-file=/x --folder /y --peer stream=/p",
        );
        let kept = words("--netdev af-xdp,ifname=x,inhibit=on,sock-fds=5 --peer stream=/p");
        assert_eq!(first(&all), kept);
    }

    #[test]
    fn a_later_process_acquires_and_waits() {
        let all = words(
            "--supervise --netdev=af-xdp,id=n,ifname=x,mode=skb,queues=2,start-queue=3,inhibit=on,\
             sock-fds=5:6 --wait --while-open 4 --peer stream=/p",
        );
        let expected = words(
            "--netdev=af-xdp,ifname=x,queues=2,start-queue=3,mode=skb --while-open 4 --peer stream=/p \
             --wait=10",
        );
        assert_eq!(again(&all), expected);
    }
}
