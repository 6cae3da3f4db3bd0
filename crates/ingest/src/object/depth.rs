//! How deep a text of JSON is nested, told without recursion.

/// Whether the text is nested deeper than so many levels, at least as far as it is JSON.
pub(super) fn is_deeper_than(levels: usize, text: &str) -> bool {
    // Few texts have enough brackets for that, and counting them is quick.
    let opening = text.bytes().filter(|byte| matches!(byte, b'{' | b'[')).count();
    opening > levels && depth(text) > levels
}

/// How deep the text is nested. Goes through the bytes once.
fn depth(text: &str) -> usize {
    let (mut deepest, mut open, mut in_string, mut escaped) = (0_usize, 0_usize, false, false);
    for byte in text.bytes() {
        match (in_string, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b'{' | b'[') => {
                open += 1;
                deepest = deepest.max(open);
            }
            (false, b'}' | b']') => open = open.saturating_sub(1),
            (_, _) => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nesting_is_counted_outside_strings() {
        assert_eq!(depth(r#"{"a{[\"[":"[[["}"#), 1);
        assert_eq!(depth("[[],[[]]]"), 3);
        for (levels, expected) in [(0, true), (2, true), (3, false), (9, false)] {
            assert_eq!(is_deeper_than(levels, "[[],[[]]]"), expected, "{levels}");
        }
    }
}
