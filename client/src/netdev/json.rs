// SPDX-License-Identifier: MIT OR Apache-2.0
//! The JSON form, `{"type":"af-xdp","id":"n0"}`, in QEMU's dialect (qobject/json-lexer.c,
//! json-parser.c): strings may stand in apostrophes, a key may occur once. A parser of our own,
//! because every member has to remember where its value stands: what is not changed keeps its
//! bytes.
#![forbid(unsafe_code)]

use std::ops::Range;

use super::Error;
use super::keyval::splice;

/// QEMU's MAX_NESTING (qobject/json-streamer.c).
const MAX_DEPTH: usize = 1024;

/// A value, as far as an option of af-xdp can have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    Bool(bool),
    /// An integer or a float, not converted.
    Number(String),
    /// `null`, a list or an object.
    Other,
}

/// One member of the outermost object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) key: String,
    pub(super) value: Value,
    /// The bytes of the value.
    pub(super) span: Range<usize>,
}

/// Reads one object, and nothing after it but white space.
pub(super) fn object(text: &[u8]) -> Result<Vec<Member>, Error> {
    let text =
        std::str::from_utf8(text).map_err(|_| Error::json("invalid UTF-8 sequence in string"))?;
    let mut reader = Reader { text, at: 0, depth: 0 };
    let members = reader.object()?;
    reader.space();
    if reader.at == text.len() { Ok(members) } else { Err(Error::json("expecting value")) }
}

/// Sets `changes` (a key and the JSON of its value) in `text`, which `members` was read from.
pub(super) fn rewrite(text: &[u8], members: &[Member], changes: &[(&str, String)]) -> Vec<u8> {
    let mut edits = Vec::new();
    let mut appended = String::new();
    for (key, value) in changes {
        match members.iter().find(|member| member.key == *key) {
            Some(member) => edits.push((member.span.clone(), value.clone())),
            None => appended = format!("{appended},\"{key}\":{value}"),
        }
    }
    if let Some(last) = members.last() {
        edits.push((last.span.end..last.span.end, appended));
    }
    splice(text, edits)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
    }

    /// The next character that is not white space, without taking it.
    fn peek(&mut self) -> Result<char, Error> {
        self.space();
        self.rest().chars().next().ok_or_else(|| Error::json("premature EOI"))
    }

    fn take(&mut self, wanted: char, otherwise: &str) -> Result<(), Error> {
        if self.peek()? != wanted {
            return Err(Error::json(otherwise));
        }
        self.at += wanted.len_utf8();
        Ok(())
    }

    fn object(&mut self) -> Result<Vec<Member>, Error> {
        self.enter()?;
        self.take('{', "expecting value")?;
        let mut members: Vec<Member> = Vec::new();
        while self.peek()? != '}' {
            if !members.is_empty() {
                self.take(',', "expected separator in dict")?;
            }
            let member = self.member()?;
            if members.iter().any(|m| m.key == member.key) {
                return Err(Error::json("duplicate key"));
            }
            members.push(member);
        }
        self.at += 1;
        self.depth -= 1;
        Ok(members)
    }

    fn member(&mut self) -> Result<Member, Error> {
        if !matches!(self.peek()?, '"' | '\'') {
            return Err(Error::json("key is not a string in object"));
        }
        let key = self.string()?;
        self.take(':', "missing : in object pair")?;
        self.space();
        let start = self.at;
        let value = self.value()?;
        Ok(Member { key, value, span: start..self.at })
    }

    fn list(&mut self) -> Result<(), Error> {
        self.enter()?;
        self.at += 1;
        let mut first = true;
        while self.peek()? != ']' {
            if !first {
                self.take(',', "expected separator in list")?;
            }
            first = false;
            self.value()?;
        }
        self.at += 1;
        self.depth -= 1;
        Ok(())
    }

    fn enter(&mut self) -> Result<(), Error> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            Err(Error::new("JSON nesting depth limit exceeded"))
        } else {
            Ok(())
        }
    }

    fn value(&mut self) -> Result<Value, Error> {
        match self.peek()? {
            '{' => self.object().map(|_| Value::Other),
            '[' => self.list().map(|()| Value::Other),
            '"' | '\'' => self.string().map(Value::Text),
            c if c == '-' || c.is_ascii_digit() => self.number(),
            _ => self.keyword(),
        }
    }

    /// The characters from here on that satisfy `part`.
    fn run(&mut self, part: impl Fn(char) -> bool) -> String {
        let run: String = self.rest().chars().take_while(|c| part(*c)).collect();
        self.at += run.len();
        run
    }

    fn number(&mut self) -> Result<Value, Error> {
        let text = self.run(|c| c.is_ascii_digit() || "+-.eE".contains(c));
        // serde_json has the number grammar of RFC 8259, which is QEMU's too.
        match serde_json::from_str::<f64>(&text) {
            Ok(_) => Ok(Value::Number(text)),
            Err(_) => Err(Error::json(&format!("stray '{text}'"))),
        }
    }

    fn keyword(&mut self) -> Result<Value, Error> {
        match self.run(|c| c.is_ascii_lowercase()).as_str() {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            "null" => Ok(Value::Other),
            "" => Err(Error::json(&format!("stray '{}'", self.peek()?))),
            word => Err(Error::json(&format!("invalid keyword '{word}'"))),
        }
    }

    fn string(&mut self) -> Result<String, Error> {
        let quote = self.peek()?;
        self.at += 1;
        let mut out = String::new();
        loop {
            let next = self.rest().chars().next().ok_or_else(|| Error::json("premature EOI"))?;
            self.at += next.len_utf8();
            match next {
                c if c == quote => return Ok(out),
                '\\' => out.push(self.escape()?),
                c if c.is_ascii_control() => {
                    return Err(Error::json(&format!("stray '{quote}{out}'")));
                }
                c => out.push(c),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Error> {
        let next = self.rest().chars().next().ok_or_else(|| Error::json("premature EOI"))?;
        self.at += next.len_utf8();
        Ok(match next {
            '"' | '\'' | '\\' | '/' => next,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => return self.unicode(),
            _ => return Err(Error::json("invalid escape sequence in string")),
        })
    }

    /// What follows `\u`, with the second half of a surrogate pair where there is one.
    fn unicode(&mut self) -> Result<char, Error> {
        let bad = || Error::json("invalid escape sequence in string");
        let first = self.hex().ok_or_else(bad)?;
        let code = match first {
            0xd800..=0xdbff => {
                self.at += if self.rest().starts_with("\\u") { 2 } else { return Err(bad()) };
                let second =
                    self.hex().filter(|low| (0xdc00..=0xdfff).contains(low)).ok_or_else(bad)?;
                0x10000 + ((first & 0x3ff) << 10) + (second & 0x3ff)
            }
            code => code,
        };
        char::from_u32(code).filter(|c| *c != '\0').ok_or_else(bad)
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = self.rest().get(..4).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?;
        let code = u32::from_str_radix(digits, 16).ok()?;
        self.at += 4;
        Some(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, Value)> {
        object(text.as_bytes()).unwrap().into_iter().map(|m| (m.key, m.value)).collect()
    }

    #[test]
    fn reads_qemus_dialect() {
        let text = " { 'type' : 'af-xdp', \"id\":\"n\\u0030\", \"q\":-2.5e1,'b':true , 'o':[1,{\"x\":null},[]] } ";
        let expected = [
            ("type", Value::Text("af-xdp".into())),
            ("id", Value::Text("n0".into())),
            ("q", Value::Number("-2.5e1".into())),
            ("b", Value::Bool(true)),
            ("o", Value::Other),
        ];
        assert_eq!(pairs(text), expected.map(|(k, v)| (k.to_owned(), v)));
        assert_eq!(
            pairs("{'a':'\\ud83d\\ude00\"\\n'}"),
            [("a".into(), Value::Text("\u{1f600}\"\n".into()))]
        );
    }

    #[test]
    fn refuses_the_rest() {
        let cases = [
            ("{", "JSON parse error, premature EOI"),
            ("{'a'", "JSON parse error, premature EOI"),
            ("{'a':", "JSON parse error, premature EOI"),
            ("{'a' 1}", "JSON parse error, missing : in object pair"),
            ("{a:1}", "JSON parse error, key is not a string in object"),
            ("{'a':1 'b':2}", "JSON parse error, expected separator in dict"),
            ("{'a':[1 2]}", "JSON parse error, expected separator in list"),
            ("{'a':1,'a':2}", "JSON parse error, duplicate key"),
            ("{'a':yes}", "JSON parse error, invalid keyword 'yes'"),
            ("{'a':01}", "JSON parse error, stray '01'"),
            ("{'a':'\\x'}", "JSON parse error, invalid escape sequence in string"),
            ("{'a':'\\ud800'}", "JSON parse error, invalid escape sequence in string"),
            ("{'a':1} x", "JSON parse error, expecting value"),
            ("{'a':1,}", "JSON parse error, key is not a string in object"),
        ];
        for (text, error) in cases {
            assert_eq!(object(text.as_bytes()).unwrap_err().to_string(), error, "{text:?}");
        }
        assert!(object(b"{'a':'\xff'}").is_err());
    }

    #[test]
    fn deep_nesting_ends_in_an_error() {
        let text = format!("{{'a':{}", "[".repeat(100_000));
        let error = object(text.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), "JSON nesting depth limit exceeded");
    }

    #[test]
    fn rewrites_values_only() {
        let text = b"{ 'mode' : 'native' , 'x' : [ 1 ] }";
        let changes = [("mode", "\"skb\"".to_owned()), ("inhibit", "true".to_owned())];
        let out = rewrite(text, &object(text).unwrap(), &changes);
        assert_eq!(
            String::from_utf8_lossy(&out),
            "{ 'mode' : \"skb\" , 'x' : [ 1 ],\"inhibit\":true }"
        );
    }
}
