//! Reads a JSON object member by member, keeping each value's exact text, and notes what a plain
//! deserializer would let pass: repeated names, unknown names, nesting without end.
//!
//! Knows nothing of messages.

mod depth;

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use self::depth::is_deeper_than;
use crate::mistakes::{Mistakes, pointer};

/// Deepest nesting of a request, its own braces included. Common JSON parsers stop here too, so a
/// deeper body could be accepted and never be read.
pub const JSON_DEPTH_MAX: usize = 128;

/// Most fields that any object is to have.
const KNOWN_MAX: usize = 16;
/// Members of a usual object.
const MEMBERS_USUAL: usize = 8;

/// A text of JSON: part of what was sent, unless characters in it are escaped.
#[derive(Deserialize)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

/// A JSON object: its members in the order they were sent.
#[derive(Debug)]
pub(crate) struct Object<'a> {
    /// The pointer to it.
    at: Cow<'a, str>,
    members: Vec<Member<'a>>,
}

/// A member: its name and its exact value.
type Member<'a> = (Cow<'a, str>, &'a RawValue);

/// The members as the text has them, repeated names included.
struct Members<'a>(Vec<Member<'a>>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::with_capacity(MEMBERS_USUAL);
                while let Some((Text(name), value)) = map.next_entry()? {
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Each)
    }
}

/// Reads a request's bytes as a JSON object whose members are among `known`. Nothing comes back when
/// it is none; what is wrong with it is noted.
pub(crate) fn read_request<'a>(
    bytes: &'a [u8],
    known: &[&str],
    mistakes: &mut Mistakes,
) -> Option<Object<'a>> {
    read_nested(text_of(bytes, mistakes)?, "".into(), known, mistakes)
}

/// Reads a request that is a list of things to be read one by one, each with [`read_item`]: how deep they are nested is
/// for each of them to answer for.
pub(crate) fn read_list_request<'a>(
    bytes: &'a [u8],
    known: &[&str],
    mistakes: &mut Mistakes,
) -> Option<Object<'a>> {
    read(text_of(bytes, mistakes)?, "".into(), known, mistakes)
}

/// Reads one thing of such a list, at pointer `at`, as [`read_request`] reads a whole request.
pub(crate) fn read_item<'a>(
    value: &'a RawValue,
    at: &'a str,
    known: &[&str],
    mistakes: &mut Mistakes,
) -> Option<Object<'a>> {
    read_nested(value.get(), at.into(), known, mistakes)
}

fn text_of<'a>(bytes: &'a [u8], mistakes: &mut Mistakes) -> Option<&'a str> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        mistakes.add("", "must be JSON in UTF-8");
        return None;
    };
    if text.trim_ascii().is_empty() {
        mistakes.add("", "must be a JSON object; the request has no body");
        return None;
    }
    Some(text)
}

/// Reads the object at pointer `at`, unless it is nested too deep.
fn read_nested<'a>(
    text: &'a str,
    at: Cow<'a, str>,
    known: &[&str],
    mistakes: &mut Mistakes,
) -> Option<Object<'a>> {
    if is_deeper_than(JSON_DEPTH_MAX, text) {
        mistakes.add(at, format!("must not be nested deeper than {JSON_DEPTH_MAX} levels"));
        return None;
    }
    read(text, at, known, mistakes)
}

/// Reads the object at pointer `at`.
fn read<'a>(
    text: &'a str,
    at: Cow<'a, str>,
    known: &[&str],
    mistakes: &mut Mistakes,
) -> Option<Object<'a>> {
    let members = read_open(text, || at.to_string(), mistakes)?;
    debug_assert!(known.len() <= KNOWN_MAX, "a field without a place would be unknown");
    let mut seen = [false; KNOWN_MAX];
    for (name, _) in &members {
        match known
            .iter()
            .position(|field| *field == name.as_ref())
            .and_then(|place| seen.get_mut(place))
        {
            Some(seen @ false) => *seen = true,
            Some(true) => mistakes.add(pointer(&at, name), "is given more than once"),
            None => {
                let fields = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                let detail = format_args!("is not a known field; known are {fields}");
                mistakes.add(pointer(&at, name), detail);
            }
        }
    }
    Some(Object { at, members })
}

/// Reads the members of an object, whatever they are called. Where it stands is asked for only if it is none.
fn read_open<'a>(
    text: &'a str,
    at: impl FnOnce() -> String,
    mistakes: &mut Mistakes,
) -> Option<Vec<Member<'a>>> {
    if !text.trim_ascii_start().starts_with('{') {
        match serde_json::from_str::<&RawValue>(text) {
            Ok(_) => mistakes.add(at(), "must be a JSON object"),
            Err(error) => mistakes.add(at(), format!("is not JSON: {error}")),
        }
        return None;
    }
    match serde_json::from_str(text) {
        Ok(Members(members)) => Some(members),
        Err(error) => {
            mistakes.add(at(), format!("is not JSON: {error}"));
            None
        }
    }
}

impl<'a> Object<'a> {
    /// The pointer to the member with this name.
    pub(crate) fn pointer(&self, name: &str) -> String {
        pointer(&self.at, name)
    }

    /// The exact text of a member's value.
    pub(crate) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.members.iter().find(|(member, _)| member == name).map(|(_, value)| *value)
    }

    /// A member that must be a string, if it is there.
    pub(crate) fn text(&self, name: &str, mistakes: &mut Mistakes) -> Option<Cow<'a, str>> {
        string(self.get(name)?, || self.pointer(name), mistakes)
    }

    /// A member that must be there and be a string that `parse` takes.
    pub(crate) fn required<T, E: ToString>(
        &self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
        mistakes: &mut Mistakes,
    ) -> Option<T> {
        if self.get(name).is_none() {
            mistakes.add(self.pointer(name), "is required");
        }
        self.parsed(name, parse, mistakes)
    }

    /// A member that must be a string that `parse` takes, if it is there.
    pub(crate) fn parsed<T, E: ToString>(
        &self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
        mistakes: &mut Mistakes,
    ) -> Option<T> {
        let text = self.text(name, mistakes)?;
        parse(&text).map_err(|error| mistakes.add(self.pointer(name), error)).ok()
    }

    /// A member that must be an object of `known` members, if it is there.
    pub(crate) fn object(
        &self,
        name: &str,
        known: &[&str],
        mistakes: &mut Mistakes,
    ) -> Option<Object<'a>> {
        read(self.get(name)?.get(), self.pointer(name).into(), known, mistakes)
    }

    /// A member that must be an object of strings, whatever they are called, if it is there.
    pub(crate) fn strings(
        &self,
        name: &str,
        mistakes: &mut Mistakes,
    ) -> Option<Vec<(Cow<'a, str>, Cow<'a, str>)>> {
        let members = read_open(self.get(name)?.get(), || self.pointer(name), mistakes)?;
        let pairs = members.into_iter().filter_map(|(member, value)| {
            let value = string(value, || pointer(&self.pointer(name), &member), mistakes)?;
            Some((member, value))
        });
        Some(pairs.collect())
    }
}

/// The string that a value is. Where it stands is asked for only if it is none.
pub(crate) fn string<'a>(
    value: &'a RawValue,
    at: impl FnOnce() -> String,
    mistakes: &mut Mistakes,
) -> Option<Cow<'a, str>> {
    if !value.get().starts_with('"') {
        mistakes.add(at(), "must be a string");
        return None;
    }
    // What is left to go wrong in a valid JSON string is half of a surrogate pair.
    serde_json::from_str(value.get())
        .map(|Text(text)| text)
        .map_err(|_| mistakes.add(at(), "must be a string of whole characters"))
        .ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use expect_test::{Expect, expect};

    fn check(bytes: impl AsRef<[u8]>, expected: Expect) {
        let mut mistakes = Mistakes::default();
        let object = read_request(bytes.as_ref(), &["a", "b"], &mut mistakes);
        let mut told = String::new();
        for mistake in mistakes.listed() {
            told.push_str(&format!("{:?}: {}\n", mistake.pointer, mistake.detail));
        }
        for (name, value) in object.iter().flat_map(|object| &object.members) {
            told.push_str(&format!("{name} = {value}\n"));
        }
        expected.assert_eq(&told);
    }

    #[test]
    fn values_keep_their_exact_text() {
        check(
            r#" {"a" :  { "x":1e400,"x" : 0.10 } , "b":[1 ,2]} "#,
            expect![[r#"
                a = { "x":1e400,"x" : 0.10 }
                b = [1 ,2]
            "#]],
        );
    }

    #[test]
    fn f44_repeated_and_unknown_names_are_told() {
        check(
            r#"{"a":1,"c/d":2,"a":3}"#,
            expect![[r#"
                "/c~1d": is not a known field; known are a, b
                "/a": is given more than once
                a = 1
                c/d = 2
                a = 3
            "#]],
        );
        // An escaped spelling of a name is that name.
        check(
            r#"{"a":1,"\u0061":3}"#,
            expect![[r#"
                "/a": is given more than once
                a = 1
                a = 3
            "#]],
        );
    }

    #[test]
    fn what_is_no_object_is_refused() {
        let cases: [(&[u8], &str); 11] = [
            (b"", "must be a JSON object; the request has no body"),
            (b" \n", "must be a JSON object; the request has no body"),
            (b"[]", "must be a JSON object"),
            (b"null", "must be a JSON object"),
            (b"12", "must be a JSON object"),
            (b"\"{}\"", "must be a JSON object"),
            (b"hello", "is not JSON: expected value at line 1 column 1"),
            (b"{\"a\":1", "is not JSON: EOF while parsing an object at line 1 column 6"),
            (b"{\"a\":1} x", "is not JSON: trailing characters at line 1 column 9"),
            (b"{\"a\":NaN}", "is not JSON: expected value at line 1 column 6"),
            (b"{\"a\":\"\xff\"}", "must be JSON in UTF-8"),
        ];
        for (bytes, expected) in cases {
            let mut mistakes = Mistakes::default();
            assert!(read_request(bytes, &["a"], &mut mistakes).is_none());
            assert_eq!(mistakes, Mistakes::one("", expected));
        }
    }

    #[test]
    fn nesting_is_limited() {
        let nested =
            |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
        let read = |text: &str| {
            let mut mistakes = Mistakes::default();
            read_request(text.as_bytes(), &["a"], &mut mistakes).is_some()
        };
        assert!(read(&nested(JSON_DEPTH_MAX - 1)));
        assert!(!read(&nested(JSON_DEPTH_MAX)));
        // A stack would overflow here.
        assert!(!read(&nested(3_000_000)));
    }

    #[test]
    fn half_a_surrogate_pair_is_no_string() {
        let mut mistakes = Mistakes::default();
        let object = read_request(br#"{"a":"\ud800"}"#, &["a"], &mut mistakes).unwrap();
        assert_eq!(object.text("a", &mut mistakes), None);
        assert_eq!(mistakes.listed()[0].detail, "must be a string of whole characters");
    }
}
