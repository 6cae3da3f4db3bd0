//! What an API key may be called.

/// Longest name, in characters: it stands in a column of a list.
pub const KEY_NAME_CHARACTERS_MAX: usize = 64;
/// Characters that are not seen, or that change how others look: those of the category Cf and those with the property
/// `Default_Ignorable_Code_Point` (Unicode 16).
const UNSEEN: [(char, char); 25] = [
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{600}', '\u{605}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{6dd}', '\u{6dd}'),
    ('\u{70f}', '\u{70f}'),
    ('\u{890}', '\u{891}'),
    ('\u{8e2}', '\u{8e2}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{202a}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{110bd}', '\u{110bd}'),
    ('\u{110cd}', '\u{110cd}'),
    ('\u{13430}', '\u{1343f}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
];

/// Whether a key may be called so: 1 to [`KEY_NAME_CHARACTERS_MAX`] visible characters with spaces
/// between them, a letter or digit among them. A name must be what it seems to be.
pub fn is_key_name(text: &str) -> bool {
    (1..=KEY_NAME_CHARACTERS_MAX).contains(&text.chars().count())
        && text.trim() == text
        && text.chars().any(char::is_alphanumeric)
        && text.chars().all(|letter| letter == ' ' || is_visible(letter))
}

fn is_visible(letter: char) -> bool {
    let is_unseen = UNSEEN.iter().any(|(first, last)| (*first..=*last).contains(&letter));
    !letter.is_control() && !letter.is_whitespace() && !is_unseen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_it_seems_to_be() {
        for good in ["a", "7", "a b", "Größe 7", "日本語", "नमस्ते", "a & b (c)", &"é".repeat(64)]
        {
            assert!(is_key_name(good), "{good:?}");
        }
        for bad in ["", " ", "a ", " a", "a\nb", "a\u{a0}b", "\u{2028}", "-", "…", &"x".repeat(65)]
        {
            assert!(!is_key_name(bad), "{bad:?}");
        }
        for unseen in UNSEEN.iter().flat_map(|(first, last)| [first, last]) {
            assert!(!is_key_name(&format!("a{unseen}b")), "{unseen:?}");
        }
        // Hangul fillers count as letters, and nobody sees them.
        assert!(!is_key_name("\u{3164}") && !is_key_name("\u{115f}"));
    }
}
