//! attempt < lease < function timeout <= visibility / 6, at every value the parameters allow.

use relay_tests::Template;

const VARIABLES: &str = "Globals/Function/Environment/Variables";

/// The API gives up on a function after this long, whatever the function's own timeout.
const API_INTEGRATION_SECONDS: i64 = 30;

/// A body is read twice: to check and sign it, and to send it.
const BODY_READS: i64 = 2;

/// What AWS asks of a queue's visibility timeout, in timeouts of the function that reads it.
const VISIBILITY_IN_FUNCTION_TIMEOUTS: i64 = 6;

/// The longest that SQS lets one receive hide a message.
const VISIBILITY_SECONDS_MAX: i64 = 12 * 60 * 60;

fn largest(template: &Template, parameter: &str) -> i64 {
    template.parameter(parameter).maximum.expect("a number parameter has a MaxValue")
}

fn attempt_seconds_max(template: &Template) -> i64 {
    let rate = template.number(&format!("{VARIABLES}/DELIVERY_BYTES_PER_SECOND_MIN"));
    let body_seconds = largest(template, "PayloadBytesMax").div_euclid(rate);
    largest(template, "DeliveryTimeoutSeconds") + BODY_READS * body_seconds
}

#[test]
fn the_longest_attempt_ends_before_its_lease() {
    let template = Template::load();
    let lease = template.number(&format!("{VARIABLES}/DELIVERY_LEASE_SECONDS"));
    let attempt = attempt_seconds_max(&template);
    assert!(attempt < lease, "an attempt may take {attempt} s, its lease ends after {lease} s");
}

#[test]
fn a_lease_ends_before_the_function_does() {
    let template = Template::load();
    let lease = template.number(&format!("{VARIABLES}/DELIVERY_LEASE_SECONDS"));
    let timeout = template.number("Resources/WorkerFunction/Properties/Timeout");
    assert!(lease < timeout, "the lease is {lease} s, the function's timeout {timeout} s");
}

#[test]
fn a_message_stays_hidden_for_six_timeouts_and_the_longest_window() {
    let template = Template::load();
    let timeout = template.number("Resources/WorkerFunction/Properties/Timeout");
    let visibility = template.number("Resources/DeliveryQueue/Properties/VisibilityTimeout");
    let wanted =
        VISIBILITY_IN_FUNCTION_TIMEOUTS * timeout + largest(&template, "BatchWindowSeconds");
    assert!(wanted <= visibility, "{visibility} s of visibility, {wanted} s needed");
    assert!(visibility <= VISIBILITY_SECONDS_MAX);
}

#[test]
fn a_connection_opens_well_within_an_attempt() {
    let template = Template::load();
    let connect = template.parameter("DeliveryConnectTimeoutSeconds");
    let attempt = template.parameter("DeliveryTimeoutSeconds");
    assert!(connect.maximum < attempt.maximum);
    let defaults = [connect.default, attempt.default].map(|text| text.parse::<i64>());
    let [Ok(connect), Ok(attempt)] = defaults else { panic!("a timeout is a number") };
    assert!(connect < attempt, "{connect} s to connect, {attempt} s for the whole");
}

#[test]
fn ingest_answers_before_the_api_gives_up() {
    let timeout = Template::load().number("Resources/IngestFunction/Properties/Timeout");
    assert!(timeout < API_INTEGRATION_SECONDS, "{timeout} s");
}

#[test]
fn a_retry_is_over_before_the_deadline_that_is_set_by_default() {
    let template = Template::load();
    let deadline = template.parameter("DeliveryDeadlineHours").default.parse::<i64>();
    let Ok(hours) = deadline else { panic!("a deadline is a number") };
    assert!(largest(&template, "RetryDelaySecondsMax") < hours * 60 * 60);
}

#[test]
fn a_message_ends_before_the_queue_forgets_it() {
    let template = Template::load();
    let kept = template.number("Resources/DeliveryQueue/Properties/MessageRetentionPeriod");
    let deadline_seconds = largest(&template, "DeliveryDeadlineHours") * 60 * 60;
    assert!(deadline_seconds < kept, "deadline {deadline_seconds} s, retention {kept} s");
}
