//! The text that a string of JSON stands for, made by one copy. Whether it is JSON was judged before.

/// What the string of JSON `raw`, quotes included, stands for. Nothing if it is no string, or holds half a character.
pub fn unescaped(raw: &str) -> Option<String> {
    let mut left = raw.strip_prefix('"')?.strip_suffix('"')?;
    // No escape is shorter than what it stands for.
    let mut text = String::with_capacity(left.len());
    while let Some(at) = left.bytes().position(|byte| byte == b'\\') {
        text.push_str(&left[..at]);
        let escape = left.as_bytes().get(at + 1)?;
        left = left.get(at + 2..)?;
        text.push(match escape {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => character(&mut left)?,
            _ => return None,
        });
    }
    text.push_str(left);
    Some(text)
}

/// The character whose code follows `\u`, which is the first of two if it is beyond 16 bits.
fn character(left: &mut &str) -> Option<char> {
    let first = unit(left)?;
    if !matches!(first, 0xd800..=0xdbff) {
        return char::from_u32(first);
    }
    *left = left.strip_prefix("\\u")?;
    char::decode_utf16([u16::try_from(first).ok()?, u16::try_from(unit(left)?).ok()?]).next()?.ok()
}

/// The four digits that come next.
fn unit(left: &mut &str) -> Option<u32> {
    let (digits, rest) = left.split_at_checked(4)?;
    *left = rest;
    let is_hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hexadecimal.then(|| u32::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_escape_is_read_as_serde_json_reads_it() {
        for raw in [
            r#""""#,
            r#""plain é 😀""#,
            r#""\"\\\/\b\f\n\r\t""#,
            r#""\u0041\u00e9\uFFFE\u0000 after""#,
            r#""\ud83d\ude00 \uD83D\uDE00""#,
            r#""\\u0041 \\\\ \\""#,
        ] {
            assert_eq!(unescaped(raw), Some(serde_json::from_str(raw).unwrap()), "{raw}");
        }
    }

    #[test]
    fn what_is_no_text_is_refused() {
        for raw in [
            "",
            "\"",
            "1",
            "null",
            r#"{"a":1}"#,
            r#"["a"]"#,
            r#""\ud83d""#,
            r#""\ud83dx""#,
            r#""\ude00""#,
            r#""\ud83d\u0041""#,
            r#""\u00""#,
            r#""\u+041""#,
            r#""\x""#,
            r#""\"#,
            "\"\\u00é\"",
        ] {
            assert_eq!(unescaped(raw), None, "{raw}");
            assert!(serde_json::from_str::<String>(raw).is_err(), "{raw}");
        }
    }

    proptest! {
        #[test]
        fn what_serde_json_writes_is_read_with_no_room_to_grow(text in "\\PC*|.*|[\"\\\\\u{0}-\u{1f}]*") {
            let raw = serde_json::to_string(&text).unwrap();
            let read = unescaped(&raw).unwrap();
            prop_assert_eq!(&read, &text);
            prop_assert!(read.capacity() <= raw.len());
        }
    }
}
