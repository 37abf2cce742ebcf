// SPDX-License-Identifier: MIT OR Apache-2.0
//! The comma form, `af-xdp,id=n0,ifname=eth1`, as QEMU's `QemuOpts` reads it (util/qemu-option.c,
//! `get_opt_name_value`): the first option may be a bare value, a later bare word is a flag (`no`
//! before it means off), a doubled comma in a value is one comma. Every option remembers where it
//! stands, so that one can be replaced and the rest keeps its bytes.
#![forbid(unsafe_code)]

use std::ops::Range;

/// One option and the bytes it was read from, without the comma after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) key: Vec<u8>,
    pub(super) value: Vec<u8>,
    pub(super) span: Range<usize>,
}

/// Splits `text`; `implied` is the key of a first option without one.
pub(super) fn split(text: &[u8], implied: &str) -> Vec<Pair> {
    let mut pairs = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let (pair, next) = one(text, at, pairs.is_empty().then_some(implied));
        pairs.push(pair);
        at = next;
    }
    pairs
}

/// Reads the option that begins at `at`, and says where the next one does.
fn one(text: &[u8], at: usize, implied: Option<&str>) -> (Pair, usize) {
    let rest = text.get(at..).unwrap_or_default();
    let end = rest.iter().position(|b| b"=,".contains(b)).unwrap_or(rest.len());
    let word = rest.get(..end).unwrap_or_default();
    let (key, value, stop) = match (rest.get(end), implied) {
        (Some(b'='), _) => {
            let (value, stop) = value(text, at + end + 1);
            (word.to_vec(), value, stop)
        }
        (_, Some(key)) => {
            let (value, stop) = value(text, at);
            (key.as_bytes().to_vec(), value, stop)
        }
        (_, None) => {
            let (key, value) = flag(word);
            (key, value, at + end)
        }
    };
    (Pair { key, value, span: at..stop }, stop + 1)
}

/// Reads a value up to a single comma; a doubled one stands for itself.
fn value(text: &[u8], mut at: usize) -> (Vec<u8>, usize) {
    let mut value = Vec::new();
    while let Some(&byte) = text.get(at) {
        if byte == b',' {
            if text.get(at + 1) != Some(&b',') {
                break;
            }
            at += 1;
        }
        value.push(byte);
        at += 1;
    }
    (value, at)
}

/// QEMU's short form of a boolean: deprecated since 6.0, and still accepted.
fn flag(word: &[u8]) -> (Vec<u8>, Vec<u8>) {
    match word.strip_prefix(b"no") {
        Some(key) => (key.to_vec(), b"off".to_vec()),
        None => (word.to_vec(), b"on".to_vec()),
    }
}

/// Sets `changes` in `text`, which `pairs` was split from: in the place of the last option of that
/// key, since that one counts, or else at the end.
pub(super) fn rewrite(text: &[u8], pairs: &[Pair], changes: &[(&str, String)]) -> Vec<u8> {
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    let mut appended = String::new();
    // A value before an empty option would read as one with an escaped comma; only a flag can stand
    // there.
    let in_place =
        |pair: &&Pair| !text.get(pair.span.end..).is_some_and(|rest| rest.starts_with(b",,"));
    for (key, value) in changes {
        let option = format!("{key}={}", value.replace(',', ",,"));
        match pairs.iter().rev().find(|pair| pair.key == key.as_bytes()).filter(in_place) {
            Some(pair) => edits.push((pair.span.clone(), option)),
            None => appended = format!("{appended},{option}"),
        }
    }
    // A comma that ends the text already separates; one that is the half of an escape does not.
    let open = pairs.last().is_some_and(|last| last.span.end < text.len());
    let appended = if open { appended.get(1..).unwrap_or_default() } else { appended.as_str() };
    let mut out = splice(text, edits);
    out.extend_from_slice(appended.as_bytes());
    out
}

/// Replaces each range of `text`; the ranges do not overlap.
pub(super) fn splice(text: &[u8], mut edits: Vec<(Range<usize>, String)>) -> Vec<u8> {
    edits.sort_by_key(|(span, _)| span.start);
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    for (span, new) in edits {
        out.extend_from_slice(text.get(at..span.start).unwrap_or_default());
        out.extend_from_slice(new.as_bytes());
        at = span.end;
    }
    out.extend_from_slice(text.get(at..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<(String, String)> {
        let text_of = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        split(text.as_bytes(), "type")
            .iter()
            .map(|p| (text_of(&p.key), text_of(&p.value)))
            .collect()
    }

    fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn splits_as_qemu_does() {
        let cases: &[(&str, &[(&str, &str)])] = &[
            ("", &[]),
            ("af-xdp", &[("type", "af-xdp")]),
            ("af-xdp,id=n0", &[("type", "af-xdp"), ("id", "n0")]),
            ("type=af-xdp,id=n0,", &[("type", "af-xdp"), ("id", "n0")]),
            ("id=n0,type=af-xdp", &[("id", "n0"), ("type", "af-xdp")]),
            (
                "af-xdp,map-path=/a,,b,queues=2",
                &[("type", "af-xdp"), ("map-path", "/a,b"), ("queues", "2")],
            ),
            (
                "af-xdp,inhibit,noforce-copy",
                &[("type", "af-xdp"), ("inhibit", "on"), ("force-copy", "off")],
            ),
            ("af-xdp,x=a=b", &[("type", "af-xdp"), ("x", "a=b")]),
            ("af-xdp,,id=n0", &[("type", "af-xdp,id=n0")]),
            ("af-xdp,=x", &[("type", "af-xdp"), ("", "x")]),
            ("af-xdp,x=a,,", &[("type", "af-xdp"), ("x", "a,")]),
            ("af-xdp,x=,y=1", &[("type", "af-xdp"), ("x", ""), ("y", "1")]),
        ];
        for (text, pairs) in cases {
            assert_eq!(texts(text), owned(pairs), "{text:?}");
        }
    }

    #[test]
    fn rewrites_the_last_of_a_key_and_appends_the_rest() {
        let cases = [
            ("af-xdp,id=n0", "af-xdp,id=n0,inhibit=on,mode=skb"),
            ("af-xdp,id=n0,", "af-xdp,id=n0,inhibit=on,mode=skb"),
            ("af-xdp,x=a,,", "af-xdp,x=a,,,inhibit=on,mode=skb"),
            ("af-xdp,mode=native,id=n0", "af-xdp,mode=skb,id=n0,inhibit=on"),
            ("af-xdp,mode=native,mode=x,inhibit", "af-xdp,mode=native,mode=skb,inhibit=on"),
            ("noinhibit,mode=a,noinhibit", "noinhibit,mode=skb,inhibit=on"),
            ("af-xdp,noinhibit,,mode=skb", "af-xdp,noinhibit,,mode=skb,inhibit=on"),
        ];
        for (text, expected) in cases {
            let changes = [("inhibit", "on".to_owned()), ("mode", "skb".to_owned())];
            let out = rewrite(text.as_bytes(), &split(text.as_bytes(), "type"), &changes);
            assert_eq!(String::from_utf8_lossy(&out), expected, "{text:?}");
        }
    }

    #[test]
    fn escapes_what_it_writes() {
        let out = rewrite(b"a", &split(b"a", "type"), &[("p", "x,y".to_owned())]);
        assert_eq!(out, b"a,p=x,,y");
    }
}
