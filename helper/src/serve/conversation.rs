// SPDX-License-Identifier: MIT OR Apache-2.0
//! What may be said when: the protocol's states, without a socket, so that any sequence can be
//! tried.
#![forbid(unsafe_code)]

use xsk_proto::codec::DecodeError;
use xsk_proto::{
    Acquire, Code, Hello, MAGIC, MAX_REQUEST, Refused, Reply, Request, Revoke, VERSION_MAX,
    VERSION_MIN,
};

/// What to do about a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Answer the greeting so.
    Greet(Reply),
    /// Grant it, or say why not.
    Grant(Acquire),
    /// Say what would be granted.
    Check(Acquire),
    /// Say what is leased.
    Status,
    /// End leases.
    Revoke(Revoke),
    /// Answer so and close.
    Close(Refused),
}

/// How far a conversation has come.
#[derive(Debug, Clone)]
pub struct Conversation {
    greeted: bool,
    left: u32,
}

impl Conversation {
    /// A conversation of at most `messages`.
    pub fn new(messages: u32) -> Self {
        Self { greeted: false, left: messages }
    }

    /// Takes the next packet.
    pub fn next(&mut self, packet: Result<Request, DecodeError>) -> Action {
        let Some(left) = self.left.checked_sub(1) else {
            return close(
                Code::BadState,
                "too many messages on one connection",
                "open another connection",
            );
        };
        self.left = left;
        match packet {
            Err(error) => undecodable(error),
            Ok(Request::Hello(hello)) => self.greet(hello),
            Ok(_) if !self.greeted => close(
                Code::BadState,
                "the first message has to be the greeting",
                "send Hello first",
            ),
            Ok(Request::Acquire(acquire)) => Action::Grant(acquire),
            Ok(Request::Check(acquire)) => Action::Check(acquire),
            Ok(Request::Status) => Action::Status,
            Ok(Request::Revoke(revoke)) => Action::Revoke(revoke),
        }
    }

    fn greet(&mut self, hello: Hello) -> Action {
        if self.greeted {
            return close(Code::BadState, "the greeting was sent twice", "send it once, first");
        }
        if hello.magic != MAGIC {
            return close(
                Code::Unsupported,
                &format!(
                    "the greeting does not begin with XSKH, which versions {VERSION_MIN} to {VERSION_MAX} do"
                ),
                "is this an xsk client?",
            );
        }
        if hello.min > VERSION_MAX || hello.max < VERSION_MIN || hello.min > hello.max {
            return close(
                Code::Unsupported,
                &unspoken(hello),
                "install a client and a helper of the same release",
            );
        }
        self.greeted = true;
        let helper = env!("CARGO_PKG_VERSION").to_owned();
        Action::Greet(Reply::Welcome { version: hello.max.min(VERSION_MAX), helper })
    }
}

fn unspoken(hello: Hello) -> String {
    let (min, max) = (hello.min, hello.max);
    format!(
        "the client speaks protocol versions {min} to {max}, this helper {VERSION_MIN} to {VERSION_MAX}"
    )
}

fn undecodable(error: DecodeError) -> Action {
    match error {
        DecodeError::TooLarge => {
            let message = format!("the request is longer than {MAX_REQUEST} bytes");
            close(Code::TooLarge, &message, "see PROTOCOL.md for the limits")
        }
        DecodeError::Unsupported => {
            let message = format!(
                "the request is unknown to this helper, which speaks protocol versions {VERSION_MIN} to {VERSION_MAX}"
            );
            close(Code::Unsupported, &message, "install a client and a helper of the same release")
        }
        DecodeError::Malformed => {
            close(Code::Malformed, "the request is malformed", "see PROTOCOL.md for its bytes")
        }
    }
}

fn close(code: Code, message: &str, hint: &str) -> Action {
    let (message, hint) = (message.to_owned(), hint.to_owned());
    Action::Close(Refused { code, object: "connection".to_owned(), message, hint })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(min: u16, max: u16) -> Result<Request, DecodeError> {
        Ok(Request::Hello(Hello { magic: MAGIC, min, max }))
    }

    fn code(action: &Action) -> Option<Code> {
        if let Action::Close(refused) = action { Some(refused.code) } else { None }
    }

    #[test]
    fn greeting_comes_first_and_once() {
        let mut conversation = Conversation::new(8);
        assert_eq!(code(&conversation.next(Ok(Request::Status))), Some(Code::BadState));
        assert!(matches!(
            conversation.next(hello(1, 9)),
            Action::Greet(Reply::Welcome { version: 1, .. })
        ));
        assert_eq!(conversation.next(Ok(Request::Status)), Action::Status);
        assert_eq!(code(&conversation.next(hello(1, 1))), Some(Code::BadState));
    }

    #[test]
    fn versions_have_to_overlap() {
        for (min, max) in [(0, 0), (2, 9), (1, 0), (u16::MAX, u16::MAX)] {
            assert_eq!(
                code(&Conversation::new(8).next(hello(min, max))),
                Some(Code::Unsupported),
                "{min} {max}"
            );
        }
    }

    #[test]
    fn messages_are_counted() {
        let mut conversation = Conversation::new(2);
        assert!(matches!(conversation.next(hello(1, 1)), Action::Greet(_)));
        assert_eq!(conversation.next(Ok(Request::Status)), Action::Status);
        assert_eq!(code(&conversation.next(Ok(Request::Status))), Some(Code::BadState));
    }
}
