//! Log lines of a function: JSON, one flat object a line, as CloudWatch Logs reads them best.
//!
//! A line has the fields of its event and of all spans around it, so that whatever is said while a message is worked
//! on says whose it is. What the fields mean is `relay_core::logs`'s; lines of libraries are folded into two of them.

use std::io::Write;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use relay_core::ports::Ambient;
use relay_core::settings::Logging;
use serde::{Serialize, Serializer};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Span, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::SystemAmbient;

/// The crates whose lines are the functions' own.
const CRATES: [&str; 5] =
    ["relay_core", "relay_aws", "relay_ingest", "relay_worker", "relay_operate"];
/// How the names of these begin.
const OURS: &str = "relay_";
/// The field that says what happened.
const MESSAGE: &str = "message";
/// Fields of a usual span.
const SPAN_FIELDS: usize = 6;
/// Room for what a usual span says, in bytes.
const SPAN_VALUES_BYTES: usize = 192;
/// Room for a usual line, in bytes.
const LINE_BYTES: usize = 1024;

/// Sends log lines to standard output from now on. Other crates than the relay's own speak up from
/// warnings on. A second call changes nothing.
pub fn log_to_stdout(logging: &Logging) {
    let lines = JsonLines::new(|line| {
        // Nobody may be reading any more, which is no reason to stop.
        let _ = std::io::stdout().write_all(line);
    });
    // The only error is that a subscriber is there already.
    let _ = registry().with(filter(&logging.level)).with(lines).try_init();
}

/// What is logged at this level.
fn filter(level: &str) -> Targets {
    // The settings know no other levels than these.
    let ours = level.parse().unwrap_or(LevelFilter::INFO);
    let theirs = Targets::new().with_default(LevelFilter::WARN);
    theirs.with_targets(CRATES.map(|name| (name, ours)))
}

/// The span around everything that is done for one invocation; `id` is Lambda's. The first of a process is the cold
/// start.
pub fn invocation_span(id: &str) -> Span {
    static IS_WARM: AtomicBool = AtomicBool::new(false);
    let cold_start = !IS_WARM.swap(true, Ordering::Relaxed);
    // An error, so that no level of the log hides it: lines of every level are told apart by it.
    tracing::error_span!("invocation", invocation_id = id, cold_start)
}

/// Writes every event as a line of JSON.
#[derive(Debug)]
pub struct JsonLines<W> {
    write: W,
    /// What every line of this process says.
    constants: Fields,
}

impl<W: Fn(&[u8])> JsonLines<W> {
    /// Lines that are handed to `write`, each whole and with its end.
    pub fn new(write: W) -> Self {
        let of_lambda = |name: &str| std::env::var(name).unwrap_or_default();
        let mut constants = Fields::default();
        constants.put("function", &of_lambda("AWS_LAMBDA_FUNCTION_NAME"));
        constants.put("function_version", &of_lambda("AWS_LAMBDA_FUNCTION_VERSION"));
        constants.put("version", env!("CARGO_PKG_VERSION"));
        Self { write, constants }
    }

    fn line<S>(&self, event: &Event<'_>, context: &Context<'_, S>) -> Vec<u8>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let metadata = event.metadata();
        let mut own = Fields::default();
        event.record(&mut own);
        let message = own.take(MESSAGE).unwrap_or_else(|| json(metadata.name()).into_bytes());
        if !metadata.target().starts_with(OURS) {
            own = own.folded(metadata.target());
        }
        let mut line = Line(Vec::with_capacity(LINE_BYTES));
        line.begin();
        line.add("timestamp", json(&SystemAmbient.now().to_string()).as_bytes());
        line.add("level", json(metadata.level().as_str()).as_bytes());
        line.add(MESSAGE, &message);
        let mut written = Vec::new();
        line.add_all(&own, &mut written);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(fields) = span.extensions().get::<Fields>() {
                line.add_all(fields, &mut written);
            }
        }
        line.add_all(&self.constants, &mut written);
        line.end()
    }
}

impl<S, W> Layer<S> for JsonLines<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: Fn(&[u8]) + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let is_ours = attributes.metadata().target().starts_with(OURS);
        if let Some(span) = context.span(id).filter(|_| is_ours) {
            let mut fields = Fields::of_span();
            attributes.record(&mut fields);
            span.extensions_mut().replace(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        (self.write)(&self.line(event, &context));
    }
}

/// A line that is being written.
struct Line(Vec<u8>);

impl Line {
    fn begin(&mut self) {
        self.0.push(b'{');
    }

    fn add(&mut self, name: &str, value: &[u8]) {
        if self.0.len() > 1 {
            self.0.push(b',');
        }
        // Names of fields are Rust's names, or have dots: nothing in them needs an escape.
        for piece in [b"\"", name.as_bytes(), b"\":", value] {
            self.0.extend_from_slice(piece);
        }
    }

    /// Adds the fields that nothing nearer to the event has said already.
    fn add_all(&mut self, fields: &Fields, written: &mut Vec<&'static str>) {
        let begin = written.len();
        for (name, value) in fields.iter() {
            if !written[..begin].contains(&name) {
                self.add(name, value);
                written.push(name);
            }
        }
    }

    fn end(mut self) -> Vec<u8> {
        self.0.extend_from_slice(b"}\n");
        self.0
    }
}

/// Names with their values in JSON, which all stand in one text.
#[derive(Debug, Default)]
struct Fields {
    values: Vec<u8>,
    places: Vec<(&'static str, Range<usize>)>,
}

impl Fields {
    /// With room for what a usual span says.
    fn of_span() -> Self {
        let values = Vec::with_capacity(SPAN_VALUES_BYTES);
        Self { values, places: Vec::with_capacity(SPAN_FIELDS) }
    }

    fn iter(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        self.places.iter().map(|(name, place)| (*name, &self.values[place.clone()]))
    }

    fn put<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) {
        let begin = self.values.len();
        // Neither writing to memory nor a text, a number or a yes or no fails.
        let _ = serde_json::to_writer(&mut self.values, value);
        let place = begin..self.values.len();
        match self.places.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = place,
            None => self.places.push((name, place)),
        }
    }

    fn take(&mut self, name: &str) -> Option<Vec<u8>> {
        let at = self.places.iter().position(|(known, _)| *known == name)?;
        let (_, place) = self.places.remove(at);
        Some(self.values[place].to_owned())
    }

    /// The fields of a library's line in two: libraries choose names of their own, and new ones with every version.
    fn folded(self, target: &str) -> Self {
        let detail: Vec<String> = self
            .iter()
            .map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value)))
            .collect();
        let mut folded = Self::default();
        folded.put("target", target);
        if !detail.is_empty() {
            folded.put("detail", &detail.join(" "));
        }
        folded
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.put(field.name(), &Shown(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), &value);
    }
}

/// What is shown of a value, as a text without a copy of its own.
struct Shown<'a>(&'a dyn std::fmt::Debug);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:?}", self.0))
    }
}

/// The text as a JSON string.
fn json(text: &str) -> String {
    // Writing a text as JSON cannot fail.
    serde_json::to_string(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};
    use tracing::{error_span, info};

    use super::*;

    /// What is logged meanwhile, by the functions' own filter at this level.
    fn lines(level: &str, log: impl FnOnce()) -> Vec<Value> {
        let written = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&written);
        let lines = JsonLines::new(move |line: &[u8]| kept.lock().unwrap().extend_from_slice(line));
        tracing::subscriber::with_default(registry().with(filter(level)).with(lines), log);
        let text = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_line_has_the_fields_of_the_spans_around_it_and_its_own_first() {
        let found = lines("info", || {
            let outer = error_span!("outer", id = "a", source = "outer", status = 1_u64);
            let _outer = outer.enter();
            let _inner = error_span!("inner", source = "inner", code = tracing::field::Empty);
            let inner = _inner;
            inner.record("code", "late");
            let _inner = inner.enter();
            let none: Option<&str> = None;
            info!(status = 2_u64, id = none, duplicate = true, "said \"so\"\n");
        });
        let line = &found[0];
        let expected = json!({
            "timestamp": line["timestamp"], "level": "INFO", "message": "said \"so\"\n",
            "status": 2, "duplicate": true, "source": "inner", "code": "late", "id": "a",
            "function": "", "function_version": "", "version": env!("CARGO_PKG_VERSION"),
        });
        assert_eq!(line, &expected);
        let time = line["timestamp"].as_str().unwrap();
        assert!(relay_core::time::Timestamp::parse_rfc3339(time).is_ok(), "{time}");
    }

    #[test]
    fn at_any_level_a_line_says_whose_it_is() {
        let found = lines("error", || {
            let _span = error_span!("message", message_id = "m").entered();
            info!("not written");
            tracing::error!("written");
        });
        assert_eq!(found.len(), 1);
        assert_eq!(found[0]["message_id"], "m");
    }

    #[test]
    fn lines_of_libraries_bring_no_fields_of_their_own() {
        let found = lines("info", || {
            let _span = tracing::warn_span!(target: "hyper", "theirs", theirs = 1).entered();
            tracing::warn!(target: "hyper::client", peer = "x", tries = 2_i64, "odd");
            tracing::info!(target: "hyper::client", "chatter");
        });
        assert_eq!(found.len(), 1);
        assert_eq!(
            (&found[0]["message"], &found[0]["target"]),
            (&json!("odd"), &json!("hyper::client"))
        );
        assert_eq!(found[0]["detail"], "peer=\"x\" tries=2");
        let known = |name: &String| relay_core::logs::field_named(name).is_some();
        assert!(found[0].as_object().unwrap().keys().all(known), "{}", found[0]);
    }
}
