//! Good texts broken a little: most random texts fail at the first character, these get further.

use proptest::collection::vec;
use proptest::prelude::*;

/// Most changes made to one text.
const CHANGES_MAX: usize = 6;
/// Most characters that one change cuts or doubles.
const SPAN_MAX: usize = 24;

/// Pieces of JSON and of URLs that readers have stumbled over.
const PIECES: [&str; 26] = [
    "\"",
    "\\",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "null",
    "-1",
    "1e999",
    "18446744073709551616",
    "0.5",
    "\u{0}",
    "\\ud800",
    "\\u0000",
    "\u{ffff}",
    "\u{202e}",
    "true",
    "\"v\":1,",
    "\"v\":2,",
    "\"v\":3,",
    "\"bodyJson\":0,",
    "%00",
    "@",
    "\r\n",
];

#[derive(Debug, Clone)]
enum Change {
    Replace(usize, char),
    Insert(usize, &'static str),
    Cut(usize, usize),
    Double(usize, usize),
}

fn change() -> impl Strategy<Value = Change> {
    let piece = prop::sample::select(PIECES.to_vec());
    prop_oneof![
        (any::<usize>(), any::<char>()).prop_map(|(at, character)| Change::Replace(at, character)),
        (any::<usize>(), piece).prop_map(|(at, piece)| Change::Insert(at, piece)),
        (any::<usize>(), 1..SPAN_MAX).prop_map(|(at, span)| Change::Cut(at, span)),
        (any::<usize>(), 1..SPAN_MAX).prop_map(|(at, span)| Change::Double(at, span)),
    ]
}

fn apply(text: &str, changes: &[Change]) -> String {
    let mut text: Vec<char> = text.chars().collect();
    for change in changes {
        let place = |at: &usize| at % (text.len() + 1);
        let span = |at: usize, span: &usize| at..text.len().min(at + span);
        match change {
            Change::Replace(at, character) => {
                let at = place(at);
                if let Some(old) = text.get_mut(at) {
                    *old = *character;
                }
            }
            Change::Insert(at, piece) => {
                let at = place(at);
                text.splice(at..at, piece.chars());
            }
            Change::Cut(at, length) => {
                let range = span(place(at), length);
                text.drain(range);
            }
            Change::Double(at, length) => {
                let range = span(place(at), length);
                let again = text[range.clone()].to_vec();
                text.splice(range.start..range.start, again);
            }
        }
    }
    text.into_iter().collect()
}

/// `good`, changed in one to some places.
pub(crate) fn mutated(good: String) -> impl Strategy<Value = String> {
    vec(change(), 1..=CHANGES_MAX).prop_map(move |changes| apply(&good, &changes))
}
