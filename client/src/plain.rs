// SPDX-License-Identifier: MIT OR Apache-2.0
//! Makes a helper's texts safe for a terminal. A client can be pointed at any socket. The process
//! that listens there could otherwise write escape sequences to the user's terminal, or lines that
//! look like the client's own.
#![forbid(unsafe_code)]

use xsk_proto::codec::{DecodeError, decode_reply};
use xsk_proto::{Granted, Reply, StatusPart, Verdict};

/// Reads an answer, and escapes every control character in its texts.
pub(crate) fn decode(bytes: &[u8]) -> Result<Reply, DecodeError> {
    let mut reply = decode_reply(bytes)?;
    texts(&mut reply).into_iter().for_each(escape);
    Ok(reply)
}

fn texts(reply: &mut Reply) -> Vec<&mut String> {
    match reply {
        Reply::Welcome { helper, .. } => vec![helper],
        Reply::Refused(refused) => {
            vec![&mut refused.object, &mut refused.message, &mut refused.hint]
        }
        Reply::Event(event) => vec![&mut event.text],
        Reply::Granted(granted) => of_grant(granted),
        Reply::Verdict(Verdict { rule, .. }) => vec![rule],
        Reply::Status(part) => of_status(part),
        Reply::Revoked { .. } => Vec::new(),
    }
}

fn of_grant(granted: &mut Granted) -> Vec<&mut String> {
    let Granted { ifname, mode_reason, rule, warnings, .. } = granted;
    let warnings = warnings.iter_mut().map(|warning| &mut warning.text);
    [ifname, mode_reason, rule].into_iter().chain(warnings).collect()
}

fn of_status(part: &mut StatusPart) -> Vec<&mut String> {
    let interfaces = part.interfaces.iter_mut().map(|interface| &mut interface.ifname);
    let leases = part.leases.iter_mut().flat_map(|lease| [&mut lease.ifname, &mut lease.rule]);
    interfaces.chain(leases).collect()
}

fn escape(text: &mut String) {
    if text.chars().any(is_obeyed) {
        let plain =
            |c: char| if is_obeyed(c) { c.escape_unicode().collect() } else { c.to_string() };
        *text = text.chars().map(plain).collect::<Vec<String>>().concat();
    }
}

/// What a terminal does something about: control characters, and those that turn the direction of
/// writing.
fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use xsk_proto::codec::encode_reply;
    use xsk_proto::{Code, Event, EventKind, Refused};

    use super::*;

    fn told(reply: &Reply) -> Reply {
        decode(&encode_reply(reply).unwrap()).unwrap()
    }

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        let text = "\u{1b}[2Jx\r\u{9b}31m\u{202e}é".to_owned();
        let plain = r"\u{1b}[2Jx\u{d}\u{9b}31m\u{202e}é".to_owned();
        let (code, kind) = (Code::Busy, EventKind::InterfaceUp);
        let refused = |text: &String| {
            let (object, message, hint) = (text.clone(), text.clone(), text.clone());
            Reply::Refused(Refused { code, object, message, hint })
        };
        assert_eq!(told(&refused(&text)), refused(&plain));
        let event = |text: &String| Reply::Event(Event { kind, text: text.clone() });
        assert_eq!(told(&event(&text)), event(&plain));
    }

    #[test]
    fn a_plain_text_stays_as_it_is() {
        let text = "wait for it with --wait".to_owned();
        let event = Reply::Event(Event { kind: EventKind::InterfaceUp, text });
        assert_eq!(told(&event), event);
    }
}
