//! Passes on what a function prints, line by line, with the function's name, and keeps its log lines.
//!
//! Functions always print JSON. On a terminal a line of it becomes readable text, without anything that a terminal
//! would act on; elsewhere it stays what it is.

use relay_core::ports::Ambient as _;
use relay_core::printable::printable;
use serde_json::{Map, Value as Json, json};
use std::borrow::Cow;
use std::io::Write as _;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};

use super::log_file::LogFile;
use crate::metrics::{AwsMetric, Meter};

/// Longest line that is passed on in one piece; a longer one is cut into several.
const LINE_BYTES_MAX: u64 = 256 * 1024;

/// What CloudWatch adds to each line when it counts bytes.
const LINE_BYTES_ADDED: u64 = 26;

/// Fields of a log line that have a place of their own in the readable form, say the same on every line, or are ids
/// that nobody compares by eye. All of them are in the file.
const NOT_SHOWN: [&str; 12] = [
    "timestamp",
    "level",
    "message",
    "function",
    "function_version",
    "version",
    "invocation_id",
    "request_id",
    "trace_id",
    "xray_trace_id",
    "span_id",
    "_aws",
];

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

/// Where the lines of a function go.
#[derive(Debug, Clone)]
pub(super) struct Output {
    /// Short name of the function.
    pub(super) label: String,
    /// How they are shown.
    pub(super) style: OutputStyle,
    /// Where they are kept, if they are.
    pub(super) log: Option<Arc<LogFile>>,
    /// Name of the function's log group, if it has one.
    pub(super) log_group: Option<String>,
    /// Where those with metrics are read, and their bytes counted.
    pub(super) meter: Meter,
}

impl Output {
    /// Passes every line of `stream` on to standard error until the stream ends.
    pub(super) async fn pass_on(self, stream: impl AsyncRead + Unpin) {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        loop {
            line.clear();
            match (&mut reader).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {
                    let text = String::from_utf8_lossy(&line);
                    self.take(text.trim_end_matches(['\r', '\n']));
                }
            }
        }
    }

    fn take(&self, text: &str) {
        self.meter.take_line(text);
        if let Some(group) = &self.log_group {
            let bytes = text.len() as u64 + LINE_BYTES_ADDED;
            self.meter.observe(AwsMetric::LogBytes, &[("LogGroupName", group)], bytes);
        }
        let Some(line) = Line::of(&self.label, text) else { return };
        if let Some(log) = self.log.as_ref().filter(|_| !line.is_metrics()) {
            log.add(&line.text);
        }
        if let Some(shown) = line.shown(&self.label, self.style) {
            // Nobody may be reading any more, which is no reason to stop the function.
            let _ = writeln!(std::io::stderr(), "{shown}");
        }
    }
}

/// A line that is an object of JSON by now, whatever the function printed.
struct Line<'a> {
    text: Cow<'a, str>,
    object: Map<String, Json>,
    /// Whether the function printed JSON itself.
    is_own: bool,
}

impl<'a> Line<'a> {
    /// The line, unless it is blank.
    fn of(label: &str, text: &'a str) -> Option<Self> {
        match serde_json::from_str(text) {
            Ok(Json::Object(object)) if object.contains_key("function") => {
                Some(Self { text: text.into(), object, is_own: true })
            }
            Ok(Json::Object(object)) => {
                // Spliced, not parsed and printed again: numbers and order stay as they were.
                let rest = text.trim_start().strip_prefix('{')?.trim_start();
                let comma = if rest.starts_with('}') { "" } else { "," };
                let text = format!("{{\"function\":{}{comma}{rest}", Json::from(label));
                Some(Self { text: text.into(), object, is_own: true })
            }
            Ok(_) | Err(_) if text.trim().is_empty() => None,
            // Last words of a program that cannot say them in another way.
            Ok(_) | Err(_) => {
                let now = relay_aws::SystemAmbient.now().to_string();
                let object = json!({
                    "timestamp": now, "level": "ERROR", "message": text, "function": label,
                });
                let text = object.to_string().into();
                let object = object.as_object().cloned().unwrap_or_default();
                Some(Self { text, object, is_own: false })
            }
        }
    }

    /// Embedded metrics are for CloudWatch; between log lines they are noise.
    fn is_metrics(&self) -> bool {
        self.object.contains_key("_aws")
    }

    /// The line as it is shown, or nothing for one that is of no use to its reader.
    fn shown(&self, label: &str, style: OutputStyle) -> Option<String> {
        match style {
            OutputStyle::Hidden => None,
            OutputStyle::Json => Some(self.text.clone().into_owned()),
            OutputStyle::Terminal if self.is_metrics() => None,
            OutputStyle::Terminal if self.is_own => Some(readable(label, &self.object)),
            OutputStyle::Terminal => {
                let said = self.object.get("message").and_then(Json::as_str).unwrap_or_default();
                Some(printable(&format!("{label:>7} | {said}")))
            }
        }
    }
}

fn readable(label: &str, object: &Map<String, Json>) -> String {
    let text = |key: &str| object.get(key).and_then(Json::as_str).unwrap_or_default();
    // The time of day: the date of a run on one machine is known.
    let time = text("timestamp").split_once('T').map_or("", |(_, time)| time);
    let time = time.get(..12).unwrap_or(time);
    let mut line = format!("{label:>7} | {time} {:<5} {}", text("level"), text("message"));
    for (key, value) in object.iter().filter(|(key, _)| !NOT_SHOWN.contains(&key.as_str())) {
        match value {
            Json::String(value) => line.push_str(&format!(" {key}={value}")),
            other => line.push_str(&format!(" {key}={other}")),
        }
    }
    printable(&line)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn shown(style: OutputStyle, line: &str) -> Option<String> {
        Line::of("worker", line)?.shown("worker", style)
    }

    #[track_caller]
    fn check(style: OutputStyle, line: &str, expected: Option<&str>) {
        assert_eq!(shown(style, line).as_deref(), expected, "{line}");
    }

    #[test]
    fn people_read_text() {
        let line = r#"{"timestamp":"2026-11-21T05:00:01.123Z","level":"INFO","message":"delivered","function":"f","version":"1","attempt":2,"id":"msg_1"}"#;
        check(
            OutputStyle::Terminal,
            line,
            Some(" worker | 05:00:01.123 INFO  delivered attempt=2 id=msg_1"),
        );
        check(OutputStyle::Terminal, "plain", Some(" worker | plain"));
        check(OutputStyle::Terminal, r#"{"_aws":{},"delivered":1}"#, None);
        check(OutputStyle::Terminal, "", None);
    }

    #[test]
    fn a_terminal_is_told_nothing_that_it_would_act_on() {
        let line = r#"{"timestamp":"T","level":"WARN","message":"a\u001b[2J","error":"b\r\nc\u202e","f":1}"#;
        let expected = r" worker |  WARN  a\u{1b}[2J error=b\r\nc\u{202e} f=1";
        check(OutputStyle::Terminal, line, Some(expected));
        check(OutputStyle::Terminal, "last\u{1b}[2J ä", Some(r" worker | last\u{1b}[2J ä"));
    }

    #[test]
    fn programs_read_json() {
        let expected = r#"{"function":"worker","price":0.10,"b":1}"#;
        check(OutputStyle::Json, r#"{"price":0.10,"b":1}"#, Some(expected));
        check(OutputStyle::Json, expected, Some(expected));
        check(OutputStyle::Json, "{}", Some(r#"{"function":"worker"}"#));
        check(OutputStyle::Hidden, "oh", None);
        let wrapped: Json = serde_json::from_str(&shown(OutputStyle::Json, "oh").unwrap()).unwrap();
        assert_eq!((&wrapped["function"], &wrapped["message"]), (&json!("worker"), &json!("oh")));
    }

    #[test]
    fn log_lines_are_kept_however_they_are_shown_and_metrics_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let log = Arc::new(LogFile::open(folder.path()).unwrap());
        let style = OutputStyle::Hidden;
        let output = Output {
            label: "worker".to_owned(),
            style,
            log: Some(log),
            log_group: None,
            meter: Meter::default(),
        };
        for line in [r#"{"function":"f","a":1}"#, r#"{"_aws":{},"b":1}"#, "", "last words"] {
            output.take(line);
        }
        let kept = std::fs::read_to_string(folder.path().join("functions.jsonl")).unwrap();
        let lines: Vec<Json> =
            kept.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2, "{kept}");
        assert_eq!((&lines[0]["a"], &lines[1]["message"]), (&json!(1), &json!("last words")));
    }
}
