// SPDX-License-Identifier: MIT OR Apache-2.0
//! The two forms of an option string behind one interface: QEMU's `opts-visitor` over the comma
//! form, where everything is text, and its `qobject-input-visitor` over JSON, where a value has to
//! be of its type.
#![forbid(unsafe_code)]

use super::{Error, json, keyval, values};

/// A source of options: either form of an option string.
pub(super) trait Source {
    fn text(&mut self, key: &str) -> Result<Option<String>, Error>;
    fn boolean(&mut self, key: &str) -> Result<Option<bool>, Error>;
    fn int64(&mut self, key: &str) -> Result<Option<i64>, Error>;
    /// Whether the value is this word, whatever type QEMU wants there.
    fn is_word(&mut self, key: &str, word: &str) -> bool;
    /// The error about an option that was never asked for, where there is one.
    fn unknown(&self) -> Option<Error>;
}

/// The comma form as a source: the last option of a key counts, for `id` the first one
/// (`opts_parse_id`).
pub(super) struct Pairs<'a> {
    pairs: &'a [keyval::Pair],
    asked: Vec<String>,
}

impl<'a> Pairs<'a> {
    pub(super) fn new(pairs: &'a [keyval::Pair]) -> Self {
        Self { pairs, asked: Vec::new() }
    }

    fn raw(&mut self, key: &str) -> Option<&'a [u8]> {
        self.asked.push(key.to_owned());
        let mut of_key = self.pairs.iter().filter(|pair| pair.key == key.as_bytes());
        let pair = if key == "id" { of_key.next() } else { of_key.next_back() };
        pair.map(|pair| pair.value.as_slice())
    }
}

impl Source for Pairs<'_> {
    fn text(&mut self, key: &str) -> Result<Option<String>, Error> {
        let Some(value) = self.raw(key) else { return Ok(None) };
        if key == "id" && !values::identifier(value) {
            return Err(Error::expects("id", "an identifier"));
        }
        let text =
            String::from_utf8(value.to_vec()).map_err(|_| Error::expects(key, "UTF-8 text"))?;
        Ok(Some(text))
    }

    fn boolean(&mut self, key: &str) -> Result<Option<bool>, Error> {
        self.raw(key).map(|value| values::boolean(key, value)).transpose()
    }

    fn int64(&mut self, key: &str) -> Result<Option<i64>, Error> {
        self.raw(key).map(|value| values::int64(key, value)).transpose()
    }

    fn is_word(&mut self, key: &str, word: &str) -> bool {
        self.raw(key) == Some(word.as_bytes())
    }

    fn unknown(&self) -> Option<Error> {
        let known = |pair: &&keyval::Pair| self.asked.iter().any(|key| key.as_bytes() == pair.key);
        let pair = self.pairs.iter().find(|pair| !known(pair))?;
        let key = String::from_utf8_lossy(&pair.key);
        let error = Error::new(format!("Invalid parameter '{key}'"));
        Some(error.meant(&key, self.asked.iter().map(String::as_str)))
    }
}

/// The JSON form as a source: values have to be of their type.
pub(super) struct Members<'a> {
    members: &'a [json::Member],
    asked: Vec<String>,
}

impl<'a> Members<'a> {
    pub(super) fn new(members: &'a [json::Member]) -> Self {
        Self { members, asked: Vec::new() }
    }

    fn raw(&mut self, key: &str) -> Option<&'a json::Value> {
        self.asked.push(key.to_owned());
        self.members.iter().find(|member| member.key == key).map(|member| &member.value)
    }
}

impl Source for Members<'_> {
    fn text(&mut self, key: &str) -> Result<Option<String>, Error> {
        match self.raw(key) {
            None => Ok(None),
            Some(json::Value::Text(text)) => Ok(Some(text.clone())),
            Some(_) => Err(Error::kind(key, "string")),
        }
    }

    fn boolean(&mut self, key: &str) -> Result<Option<bool>, Error> {
        match self.raw(key) {
            None => Ok(None),
            Some(json::Value::Bool(value)) => Ok(Some(*value)),
            Some(_) => Err(Error::kind(key, "boolean")),
        }
    }

    fn int64(&mut self, key: &str) -> Result<Option<i64>, Error> {
        match self.raw(key) {
            None => Ok(None),
            Some(json::Value::Number(text)) => {
                text.parse().map(Some).map_err(|_| Error::kind(key, "integer"))
            }
            Some(_) => Err(Error::kind(key, "integer")),
        }
    }

    fn is_word(&mut self, key: &str, word: &str) -> bool {
        matches!(self.raw(key), Some(json::Value::Text(text)) if text == word)
    }

    fn unknown(&self) -> Option<Error> {
        let member = self.members.iter().find(|member| !self.asked.contains(&member.key))?;
        let error = Error::new(format!("Parameter '{}' is unexpected", member.key));
        Some(error.meant(&member.key, self.asked.iter().map(String::as_str)))
    }
}
