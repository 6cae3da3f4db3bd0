//! Reads what invokes a function by time: its `Schedule` events, and what becomes of runs that fail.
//!
//! Only rates are honoured. Everything else that a schedule may say is refused by name: `cron()` and
//! `at()`, an input of its own, queues and retries between EventBridge and Lambda, a schedule turned off.

use std::time::Duration;

use super::description::{AsynchronousInvocation, Schedule};
use super::names::Names;
use super::properties::Properties;

/// Seconds in each unit of a rate, by its name for one.
const UNIT_SECONDS: [(&str, u64); 3] = [("minute", 60), ("hour", 60 * 60), ("day", 24 * 60 * 60)];
/// The shortest age at which Lambda may be told to drop an event.
const EVENT_AGE_SECONDS_MIN: u64 = 60;

/// Reads one event of the type `Schedule`.
pub(super) fn read(
    function: &str,
    event: &str,
    mut properties: Properties<'_>,
    names: &Names<'_>,
) -> Option<Schedule> {
    let expression = properties.required_text("Schedule");
    let every = rate(&expression);
    if let Err(problem) = &every {
        properties.refuse("Schedule", format!("is `{expression}`, {problem}"));
    }
    if properties.flag("Enabled") == Some(false) {
        properties.refuse("Enabled", format!("is false, and {function} would never run"));
    }
    properties.not_simulated(&["Description", "Name"]);
    properties.finish();
    let rule_arn = names.rule_arn(function, event);
    Some(Schedule { function: function.to_owned(), rule_arn, every: every.ok()? })
}

/// The interval of an expression such as `rate(5 minutes)`, or why it is none.
fn rate(expression: &str) -> Result<Duration, &'static str> {
    let inner = expression.strip_prefix("rate(").and_then(|rest| rest.strip_suffix(')'));
    let (count, unit) = inner
        .and_then(|inner| inner.split_once(' '))
        .ok_or("and only rates such as rate(5 minutes) are honoured")?;
    let is_number = count.bytes().all(|byte| byte.is_ascii_digit()) && !count.starts_with('0');
    let count: u64 = if is_number { count.parse().ok() } else { None }
        .ok_or("whose number is not a whole one above 0")?;
    let find = |name: &str| {
        UNIT_SECONDS.iter().find_map(|(unit, seconds)| (*unit == name).then_some(*seconds))
    };
    let (one, many) = (find(unit), unit.strip_suffix('s').and_then(find));
    let unit_seconds = match (count, one, many) {
        (1, Some(seconds), _) | (2.., _, Some(seconds)) => seconds,
        (1, None, Some(_)) => return Err("and after 1 EventBridge takes only the singular"),
        (_, Some(_), None) => {
            return Err("and after more than 1 EventBridge takes only the plural");
        }
        (_, _, _) => return Err("whose unit is none of minute, hour and day"),
    };
    count.checked_mul(unit_seconds).map(Duration::from_secs).ok_or("which never comes")
}

/// Reads what becomes of runs that fail. Destinations for what was dropped are refused.
pub(super) fn read_asynchronous(properties: &mut Properties<'_>) -> AsynchronousInvocation {
    let most = AsynchronousInvocation::LAMBDA_DEFAULT;
    let Some(mut config) = properties.nested("EventInvokeConfig") else { return most };
    let retries_max = config.number("MaximumRetryAttempts").unwrap_or(most.retries_max);
    if retries_max > most.retries_max {
        config.refuse("MaximumRetryAttempts", format!("is above {}", most.retries_max));
    }
    let age_seconds_max = most.event_age_max.as_secs();
    let age_seconds = config.number("MaximumEventAgeInSeconds").unwrap_or(age_seconds_max);
    if !(EVENT_AGE_SECONDS_MIN..=age_seconds_max).contains(&age_seconds) {
        let range = format!("{EVENT_AGE_SECONDS_MIN} and {age_seconds_max} seconds");
        config.refuse("MaximumEventAgeInSeconds", format!("is not between {range}"));
    }
    config.finish();
    AsynchronousInvocation { retries_max, event_age_max: Duration::from_secs(age_seconds) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_an_interval() {
        for (expression, seconds) in [
            ("rate(1 minute)", 60),
            ("rate(5 minutes)", 300),
            ("rate(1 hour)", 3_600),
            ("rate(12 hours)", 43_200),
            ("rate(1 day)", 86_400),
            ("rate(7 days)", 604_800),
        ] {
            assert_eq!(rate(expression), Ok(Duration::from_secs(seconds)), "{expression}");
        }
    }

    #[test]
    fn what_eventbridge_or_the_local_stack_does_not_take_is_refused() {
        for (expression, part) in [
            ("rate(1 minutes)", "singular"),
            ("rate(5 minute)", "plural"),
            ("rate(0 minutes)", "above 0"),
            ("rate(-1 minutes)", "above 0"),
            ("rate(+5 minutes)", "above 0"),
            ("rate(1.5 hours)", "above 0"),
            ("rate( minutes)", "above 0"),
            ("rate(5 seconds)", "unit"),
            ("rate(5  minutes)", "unit"),
            ("rate(18446744073709551615 days)", "never"),
            ("rate(5minutes)", "only rates"),
            ("cron(0 12 * * ? *)", "only rates"),
            ("at(2026-11-21T12:00:00)", "only rates"),
            ("5 minutes", "only rates"),
            ("", "only rates"),
        ] {
            let found = rate(expression);
            assert!(found.is_err_and(|problem| problem.contains(part)), "{expression}: {found:?}");
        }
    }
}
