// SPDX-License-Identifier: MIT OR Apache-2.0
//! Errors: the four things that every error of the project has.

use std::ffi::{c_char, c_int};

use crate::text::{Text, text_of};

/// Why a call failed.
#[derive(Debug)]
pub struct Error {
    pub(crate) code: Text,
    object: Text,
    message: Text,
    hint: Text,
    status: c_int,
}

impl Error {
    pub(crate) fn new(error: &xsk_client::Error) -> Self {
        Self {
            code: Text::new(error.kind.name()),
            object: Text::new(&error.object),
            message: Text::new(&error.message),
            hint: Text::new(&error.hint),
            status: error.kind.exit_code().into(),
        }
    }
}

/// The stable name of the reason, such as "not-allowed" or "busy". PROTOCOL.md lists those of the
/// helper; "usage", "unreachable", "timeout", "protocol", "no-descriptor", "namespace" and "system"
/// are the library's own.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_error_code(error: Option<&Error>) -> *const c_char {
    text_of(error, |error| &error.code)
}

/// What the error is about: an interface, a file, a system call.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_error_object(error: Option<&Error>) -> *const c_char {
    text_of(error, |error| &error.object)
}

/// What happened: a sentence for people.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_error_message(error: Option<&Error>) -> *const c_char {
    text_of(error, |error| &error.message)
}

/// What to do next, or "".
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_error_hint(error: Option<&Error>) -> *const c_char {
    text_of(error, |error| &error.hint)
}

/// The exit status that xsk-client has for this error: 64 usage, 69 unreachable, 75 busy, 77
/// denied, 78 configuration.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_error_exit_status(error: Option<&Error>) -> c_int {
    error.map_or(0, |error| error.status)
}

/// Frees an error. NULL is fine.
#[unsafe(no_mangle)]
pub extern "C" fn xskclient_error_free(error: Option<Box<Error>>) {
    drop(error);
}
