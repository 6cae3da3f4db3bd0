//! Reads a function's answer to a batch: which of its messages are done.
//!
//! The rules are Lambda's, and their edges are sharp: an empty answer means that all is done, a
//! malformed one that nothing is.

use serde_json::Value as Json;
use std::collections::BTreeSet;

/// What the answer says about the batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Every message is done, except those with these ids.
    DoneExcept(BTreeSet<String>),
    /// Nothing is done, for this reason.
    NothingDone(String),
}

/// Judges the answer to a batch of the messages `ids`.
pub(super) fn judge(answer: &[u8], ids: &BTreeSet<String>, report_failures: bool) -> Verdict {
    let all_done = Verdict::DoneExcept(BTreeSet::new());
    if !report_failures || answer.is_empty() {
        return all_done;
    }
    let json: Json = match serde_json::from_slice(answer) {
        Ok(json) => json,
        Err(error) => return Verdict::NothingDone(format!("the answer is not json: {error}")),
    };
    let failures = match json.get("batchItemFailures") {
        None | Some(Json::Null) => return all_done,
        Some(Json::Array(failures)) => failures,
        Some(_) => return Verdict::NothingDone("batchItemFailures is not a list".to_owned()),
    };
    let mut failed = BTreeSet::new();
    for failure in failures {
        match failure.get("itemIdentifier").and_then(Json::as_str) {
            Some(id) if ids.contains(id) => failed.insert(id.to_owned()),
            Some(id) => {
                return Verdict::NothingDone(format!("`{id}` is no message of the batch"));
            }
            None => return Verdict::NothingDone("a failure has no itemIdentifier".to_owned()),
        };
    }
    Verdict::DoneExcept(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(ids: &[&str]) -> BTreeSet<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    #[track_caller]
    fn check_done_except(answer: &str, failed: &[&str]) {
        let verdict = judge(answer.as_bytes(), &ids(&["a", "b"]), true);
        assert_eq!(verdict, Verdict::DoneExcept(ids(failed)), "{answer}");
    }

    #[track_caller]
    fn check_nothing_done(answer: &str) {
        let verdict = judge(answer.as_bytes(), &ids(&["a", "b"]), true);
        assert!(matches!(verdict, Verdict::NothingDone(_)), "{answer}: {verdict:?}");
    }

    #[test]
    fn an_empty_answer_means_that_all_is_done() {
        for answer in
            ["", "null", "{}", r#"{"batchItemFailures":null}"#, r#"{"batchItemFailures":[]}"#]
        {
            check_done_except(answer, &[]);
        }
    }

    #[test]
    fn named_failures_stay() {
        check_done_except(r#"{"batchItemFailures":[{"itemIdentifier":"b"}]}"#, &["b"]);
        let both = r#"{"batchItemFailures":[{"itemIdentifier":"b"},{"itemIdentifier":"a"}]}"#;
        check_done_except(both, &["a", "b"]);
    }

    #[test]
    fn a_malformed_answer_means_that_nothing_is_done() {
        check_nothing_done("{");
        check_nothing_done(r#"{"batchItemFailures":{}}"#);
        check_nothing_done(r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#);
        check_nothing_done(r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#);
        check_nothing_done(r#"{"batchItemFailures":[{"itemIdentifier":"c"}]}"#);
        check_nothing_done(r#"{"batchItemFailures":[{"identifier":"a"}]}"#);
        check_nothing_done(r#"{"batchItemFailures":["a"]}"#);
    }

    #[test]
    fn without_partial_responses_any_answer_is_a_success() {
        let answer = r#"{"batchItemFailures":[{"itemIdentifier":"a"}]}"#;
        let verdict = judge(answer.as_bytes(), &ids(&["a"]), false);
        assert_eq!(verdict, Verdict::DoneExcept(BTreeSet::new()));
    }
}
