//! The bodies: text that says which message it is, filled up to its size with letters that follow from the number.
//! So a receiver can tell, of every byte, whether it is the one that was sent, and keeps nothing to do so.

use std::fmt::Write as _;

use crate::plan::{Message, Plan, mixed};

/// What a body begins with.
const WORD: &str = "relay-load";
/// The sender of all messages.
pub(crate) const SENDER: &str = "relay-load";
/// Digits of a message's number.
const NUMBER_DIGITS: usize = 10;
/// Digits of a run's id.
const RUN_DIGITS: usize = 16;
/// The word, the run and the number, each followed by a space.
const HEAD_BYTES: usize = WORD.len() + 1 + RUN_DIGITS + 1 + NUMBER_DIGITS + 1;
/// Places at which a filling may begin in the block of letters.
const OFFSETS: usize = 4096;
/// Letters that mean themselves in JSON.
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 .";

/// What an arrived body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Checked {
    /// Exactly the body of this message.
    Ours(Message),
    /// One of another run.
    Foreign,
    /// None that was ever sent.
    Wrong,
}

/// Writes and checks the bodies of one run.
#[derive(Debug)]
pub(crate) struct Content {
    run: String,
    letters: String,
}

impl Content {
    /// Of the run with this id.
    pub(crate) fn of(plan: &Plan, run: u64) -> Self {
        let largest = plan.scenario().sizes.iter().map(|size| size.bytes).max().unwrap_or_default();
        let letter = |place: usize| {
            let drawn = mixed(run ^ mixed(place as u64)) % LETTERS.len() as u64;
            LETTERS.get(drawn as usize).map_or('.', |letter| char::from(*letter))
        };
        let letters = (0..largest + OFFSETS).map(letter).collect();
        Self { run: format!("{run:0width$x}", width = RUN_DIGITS), letters }
    }

    /// The run's id, as it stands in ids and bodies.
    pub(crate) fn run(&self) -> &str {
        &self.run
    }

    /// One message of a request, as JSON, for this target.
    pub(crate) fn write(&self, message: Message, target: &str, out: &mut String) {
        let Message { number, .. } = message;
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            "{{\"messageId\":\"{}-{number}\",\"senderId\":\"{SENDER}\",\"targetUrl\":\"{target}\",\
             \"bodyEncoding\":\"text\",\"body\":\"",
            self.run
        );
        out.push_str(&self.head(number));
        out.push_str(self.filling(message));
        out.push_str("\"}");
    }

    /// What a body that arrived is.
    pub(crate) fn check(&self, plan: &Plan, body: &[u8]) -> Checked {
        let Some((head, filling)) = body.split_at_checked(HEAD_BYTES) else {
            return Checked::Wrong;
        };
        let mut words = std::str::from_utf8(head).unwrap_or_default().split(' ');
        let (word, run, number) = (words.next(), words.next(), words.next());
        if word != Some(WORD) {
            return Checked::Wrong;
        }
        if run != Some(&self.run) {
            return Checked::Foreign;
        }
        let Some(number) = number.and_then(|digits| digits.parse().ok()) else {
            return Checked::Wrong;
        };
        if number >= plan.messages() {
            return Checked::Wrong;
        }
        let message = plan.message(number);
        let is_whole =
            head == self.head(number).as_bytes() && filling == self.filling(message).as_bytes();
        if is_whole { Checked::Ours(message) } else { Checked::Wrong }
    }

    fn head(&self, number: u64) -> String {
        format!("{WORD} {} {number:0width$} ", self.run, width = NUMBER_DIGITS)
    }

    fn filling(&self, message: Message) -> &str {
        let begin = (mixed(message.number) % OFFSETS as u64) as usize;
        let end = begin + message.bytes.saturating_sub(HEAD_BYTES);
        self.letters.get(begin..end).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::arguments::RunArguments;
    use crate::scenario::named;

    fn body_of(request: &str) -> Vec<u8> {
        let request: serde_json::Value = serde_json::from_str(request).unwrap();
        request["body"].as_str().unwrap().as_bytes().to_vec()
    }

    #[test]
    fn a_body_is_known_again_and_every_byte_of_it_counts() {
        let plan = Plan::of(named("mixed-sizes").unwrap(), &RunArguments::default()).unwrap();
        let (content, other) = (Content::of(&plan, 7), Content::of(&plan, 8));
        for message in plan.of_request(3).chain(plan.of_request(599)) {
            let mut request = String::new();
            content.write(message, "http://127.0.0.1:9/sound", &mut request);
            let body = body_of(&request);
            assert_eq!(body.len(), message.bytes);
            assert_eq!(content.check(&plan, &body), Checked::Ours(message));
            assert_eq!(other.check(&plan, &body), Checked::Foreign);
            assert_eq!(content.check(&plan, &body[..body.len() - 1]), Checked::Wrong);
            let mut changed = body;
            *changed.last_mut().unwrap() ^= 1;
            assert_eq!(content.check(&plan, &changed), Checked::Wrong);
        }
        assert_eq!(content.check(&plan, b"{}"), Checked::Wrong);
    }
}
