// SPDX-License-Identifier: MIT OR Apache-2.0
//! Strings for C.
#![forbid(unsafe_code)]

use std::ffi::{CStr, CString, c_char};

/// A string that C can read. It ends where the text has a NUL, which no text of the protocol has.
#[derive(Debug)]
pub(crate) struct Text(CString);

impl Text {
    pub(crate) fn new(text: &str) -> Self {
        let upto = text.split('\0').next().unwrap_or_default();
        Self(CString::new(upto).unwrap_or_default())
    }

    #[cfg(test)]
    pub(crate) fn pointer_text(&self) -> &CStr {
        &self.0
    }

    pub(crate) fn pointer(&self) -> *const c_char {
        self.0.as_ptr()
    }
}

/// What a getter answers that was asked about no object.
pub(crate) const NOTHING: &CStr = c"";

/// The string that `of` finds in an object, or the empty one where there is no object.
pub(crate) fn text_of<T>(object: Option<&T>, of: impl FnOnce(&T) -> &Text) -> *const c_char {
    object.map_or(NOTHING.as_ptr(), |object| of(object).pointer())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_ends_at_a_nul() {
        assert_eq!(Text::new("eth1\0eth2").0.as_c_str(), c"eth1");
        assert_eq!(Text::new("").0.as_c_str(), c"");
    }
}
