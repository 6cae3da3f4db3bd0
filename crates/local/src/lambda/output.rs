//! Passes on what a function prints, line by line, with the function's name.
//!
//! On a terminal a JSON log line becomes readable text; elsewhere every line is JSON.

use serde_json::{Map, Value as Json};
use std::io::Write as _;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};

/// Longest line that is passed on in one piece; a longer one is cut into several.
const LINE_BYTES_MAX: u64 = 256 * 1024;

/// Fields of a log line that have a place of their own in the readable form.
const PLACED_FIELDS: [&str; 6] = ["timestamp", "level", "message", "target", "fields", "_aws"];

/// How lines are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputStyle {
    /// For people.
    Terminal,
    /// For programs: one JSON object a line.
    Json,
    /// Not at all: for whoever makes things go wrong on purpose, and would read of nothing else.
    Hidden,
}

/// Passes every line of `stream` on to standard error until the stream ends.
pub(super) async fn pass_on(label: String, style: OutputStyle, stream: impl AsyncRead + Unpin) {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut reader).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                let text = String::from_utf8_lossy(&line);
                if let Some(shown) = render(&label, style, text.trim_end_matches(['\r', '\n'])) {
                    // Nobody may be reading any more, which is no reason to stop the function.
                    let _ = writeln!(std::io::stderr(), "{shown}");
                }
            }
        }
    }
}

/// The line as it is shown, or nothing for a line that is of no use to its reader.
fn render(label: &str, style: OutputStyle, line: &str) -> Option<String> {
    let object = match serde_json::from_str(line) {
        Ok(Json::Object(object)) => Some(object),
        Ok(_) | Err(_) => None,
    };
    match (style, object) {
        (_, None) if line.trim().is_empty() => None,
        (OutputStyle::Hidden, _) => None,
        (OutputStyle::Json, Some(_)) => {
            // Spliced, not parsed and printed again: numbers and order stay as they were.
            let rest = line.trim_start().strip_prefix('{')?.trim_start();
            let comma = if rest.starts_with('}') { "" } else { "," };
            Some(format!("{{\"function\":{}{comma}{rest}", Json::from(label)))
        }
        (OutputStyle::Json, None) => {
            Some(serde_json::json!({ "function": label, "message": line }).to_string())
        }
        // Embedded metrics are for CloudWatch; between log lines they are noise.
        (OutputStyle::Terminal, Some(object)) if object.contains_key("_aws") => None,
        (OutputStyle::Terminal, Some(object)) => Some(readable(label, &object)),
        (OutputStyle::Terminal, None) => Some(format!("{label:>7} | {line}")),
    }
}

fn readable(label: &str, object: &Map<String, Json>) -> String {
    let text = |key: &str| object.get(key).and_then(Json::as_str).unwrap_or_default();
    // The time of day: the date of a run on one machine is known.
    let time = text("timestamp").split_once('T').map_or("", |(_, time)| time);
    let time = time.get(..12).unwrap_or(time);
    let nested = object.get("fields").and_then(Json::as_object);
    let message = nested
        .and_then(|fields| fields.get("message"))
        .and_then(Json::as_str)
        .unwrap_or_else(|| text("message"));
    let mut line = format!("{label:>7} | {time} {:<5} {message}", text("level"));
    for (key, value) in nested.into_iter().flatten().chain(object) {
        if PLACED_FIELDS.contains(&key.as_str()) {
            continue;
        }
        match value {
            Json::String(value) => line.push_str(&format!(" {key}={value}")),
            other => line.push_str(&format!(" {key}={other}")),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::{OutputStyle, render};

    #[track_caller]
    fn check(style: OutputStyle, line: &str, expected: Option<&str>) {
        assert_eq!(render("worker", style, line).as_deref(), expected, "{line}");
    }

    #[test]
    fn people_read_text() {
        let line = r#"{"timestamp":"2026-11-21T05:00:01.123456Z","level":"INFO","fields":{"message":"delivered","attempt":2},"target":"relay_worker"}"#;
        check(
            OutputStyle::Terminal,
            line,
            Some(" worker | 05:00:01.123 INFO  delivered attempt=2"),
        );
        check(OutputStyle::Terminal, "plain", Some(" worker | plain"));
        check(OutputStyle::Terminal, r#"{"_aws":{},"delivered":1}"#, None);
        check(OutputStyle::Terminal, "", None);
    }

    #[test]
    fn programs_read_json() {
        let expected = r#"{"function":"worker","price":0.10,"b":1}"#;
        check(OutputStyle::Json, r#"{"price":0.10,"b":1}"#, Some(expected));
        check(OutputStyle::Json, "{}", Some(r#"{"function":"worker"}"#));
        check(OutputStyle::Hidden, "oh", None);
        check(OutputStyle::Json, "oh", Some(r#"{"function":"worker","message":"oh"}"#));
    }
}
