//! What lies behind an error, for a person to read: an HTTP client's own words for a refused
//! connection say only that a request was not sent.

use std::error::Error;
use std::iter::successors;

/// How many errors of a chain are told. A refused connection has four.
const ERRORS_MAX: usize = 8;

/// The error and what caused it, each told once, outermost first.
pub(crate) fn on_one_line(error: &dyn Error) -> String {
    let mut told = String::new();
    for error in successors(Some(error), |error: &&dyn Error| (*error).source()).take(ERRORS_MAX) {
        let text = error.to_string().lines().collect::<Vec<_>>().join(" ");
        // Some errors tell their cause themselves, and some wrap one without a word of their own.
        if told.contains(&text) {
            continue;
        }
        if !told.is_empty() {
            told.push_str(": ");
        }
        told.push_str(&text);
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Link {
        text: &'static str,
        source: Option<Box<Link>>,
    }

    #[test]
    fn every_cause_is_told_once() {
        let chain = ["not sent", "connect: refused\nby peer", "refused by peer", "os error"];
        let error = chain
            .into_iter()
            .rev()
            .fold(None, |source, text| Some(Box::new(Link { text, source })));
        let told = error.map(|error| on_one_line(&*error));
        assert_eq!(told.as_deref(), Some("not sent: connect: refused by peer: os error"));
    }
}
