//! What a path under `/demo/` asks the receiver to do.

use std::time::Duration;

/// Longest wait that may be asked for: past every timeout of the relay.
const SLOW_MAX: Duration = Duration::from_secs(600);

/// What to do with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Behaviour {
    /// Answer this status, with a `Retry-After` if there is one.
    Status { code: u16, retry_after: Option<String> },
    /// Answer 200 after this long.
    Slow(Duration),
    /// Answer 503 so many times to each message, then 200.
    Flaky(u32),
    /// Answer 302 to this address.
    Redirect(String),
    /// Answer 200 with a body that does not end.
    Huge,
    /// The path asks for nothing known.
    Unknown,
}

impl Behaviour {
    /// Reads a path and its query; both as sent, `parameter` answers decoded query parameters.
    pub(super) fn of(path: &str, parameter: impl Fn(&str) -> Option<String>) -> Self {
        let Some(rest) = path.strip_prefix("/demo/") else { return Self::Unknown };
        let (name, argument) = rest.split_once('/').unwrap_or((rest, ""));
        match (name, argument) {
            ("ok", "") => Self::Status { code: 200, retry_after: None },
            ("status", code) => match code.parse() {
                Ok(code @ 200..=599) => {
                    Self::Status { code, retry_after: parameter("retry_after") }
                }
                Ok(_) | Err(_) => Self::Unknown,
            },
            ("slow", text) => duration(text).map_or(Self::Unknown, Self::Slow),
            ("flaky", times) => times.parse().map_or(Self::Unknown, Self::Flaky),
            ("redirect", "") => parameter("to").map_or(Self::Unknown, Self::Redirect),
            ("huge", "") => Self::Huge,
            _ => Self::Unknown,
        }
    }
}

/// `30s` or `500ms`.
fn duration(text: &str) -> Option<Duration> {
    let duration = match text.strip_suffix("ms") {
        Some(milliseconds) => Duration::from_millis(milliseconds.parse().ok()?),
        None => Duration::from_secs(text.strip_suffix('s')?.parse().ok()?),
    };
    (duration <= SLOW_MAX).then_some(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, expected: Behaviour) {
        let parameter = |name: &str| match name {
            "retry_after" => Some("7".to_owned()),
            "to" => Some("http://10.0.0.1/".to_owned()),
            _ => None,
        };
        assert_eq!(Behaviour::of(path, parameter), expected, "{path}");
    }

    #[test]
    fn paths_say_what_to_do() {
        check("/demo/ok", Behaviour::Status { code: 200, retry_after: None });
        let retry_after = Some("7".to_owned());
        check("/demo/status/503", Behaviour::Status { code: 503, retry_after });
        check("/demo/slow/30s", Behaviour::Slow(Duration::from_secs(30)));
        check("/demo/slow/500ms", Behaviour::Slow(Duration::from_millis(500)));
        check("/demo/flaky/2", Behaviour::Flaky(2));
        check("/demo/redirect", Behaviour::Redirect("http://10.0.0.1/".to_owned()));
        check("/demo/huge", Behaviour::Huge);
    }

    #[test]
    fn everything_else_is_unknown() {
        for path in [
            "/",
            "/demo",
            "/demo/status/99",
            "/demo/status/x",
            "/demo/slow/9h",
            "/demo/slow/601s",
            "/demo/ok/1",
        ] {
            check(path, Behaviour::Unknown);
        }
    }
}
