//! Checks the reading of templates: the shipped one whole, the intrinsic functions one by one, and that
//! what cannot be honoured is refused by name.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod versions;

use std::collections::BTreeMap;
use std::time::Duration;

use super::description::{AsynchronousInvocation, Description, Expiration};
use super::{Surroundings, Template, TemplateError};

fn surroundings() -> Surroundings {
    Surroundings {
        region: "eu-west-1".to_owned(),
        account_id: "000000000000".to_owned(),
        stack_name: "relay-local".to_owned(),
        sqs_endpoint: "http://127.0.0.1:9324".to_owned(),
    }
}

fn describe(text: &str, given: &[(&str, &str)]) -> Result<Description, TemplateError> {
    let given: BTreeMap<String, String> =
        given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Template::parse(text)?.describe(&surroundings(), &given)
}

fn shipped(given: &[(&str, &str)]) -> Result<Description, TemplateError> {
    describe(include_str!("../../../../template.yaml"), given)
}

fn mistakes(result: Result<Description, TemplateError>) -> Vec<String> {
    match result {
        Err(TemplateError::Refused(mistakes)) => mistakes.iter().map(ToString::to_string).collect(),
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[test]
fn the_shipped_template_describes_its_functions() {
    let description = shipped(&[]).unwrap();
    let ingest = description.function("IngestFunction").unwrap();
    assert_eq!((ingest.binary.as_str(), ingest.timeout), ("ingest", Duration::from_secs(29)));
    assert_eq!(ingest.name, "relay-local-IngestFunction");
    assert_eq!(ingest.role.as_deref(), Some("IngestRole"));
    let worker = description.function("WorkerFunction").unwrap();
    assert_eq!(worker.binary, "worker");
    let variable = |name: &str| worker.environment[name].as_str();
    assert_eq!(variable("DYNAMODB_TABLE"), "relay-local-MessagesTable");
    assert_eq!(
        variable("SQS_QUEUE_URL"),
        "http://127.0.0.1:9324/000000000000/relay-local-DeliveryQueue"
    );
    assert_eq!(variable("S3_BUCKET"), "relay-local-payloadbucket");
    assert_eq!(variable("RETRY_ATTEMPTS_MAX"), "3");
    assert_eq!(variable("DESTINATION_ALLOW"), "");
}

#[test]
fn the_shipped_template_describes_routes_and_the_event_source() {
    let description = shipped(&[("BatchSize", "7")]).unwrap();
    let routes: Vec<_> = description
        .routes
        .iter()
        .map(|route| (route.method.as_str(), route.path.as_str()))
        .collect();
    assert!(routes.contains(&("POST", "/message")), "{routes:?}");
    assert!(routes.contains(&("PATCH", "/v1/api-keys/{id}")), "{routes:?}");
    let [source] = description.event_sources.as_slice() else { panic!("one event source") };
    assert_eq!(source.function, "WorkerFunction");
    assert_eq!(source.queue_name, "relay-local-DeliveryQueue");
    assert_eq!((source.batch_size, source.window), (7, Duration::from_secs(5)));
    assert_eq!(source.maximum_concurrency, Some(10));
    assert!(source.report_batch_item_failures);
    assert!(source.is_enabled);
    assert_eq!(description.cors.unwrap().max_age_seconds, Some(600));
}

#[test]
fn the_shipped_template_describes_storage_and_roles() {
    let description = shipped(&[]).unwrap();
    let queue =
        description.queues.iter().find(|queue| queue.logical_id == "DeliveryQueue").unwrap();
    let redrive = queue.redrive.clone().unwrap();
    assert_eq!(redrive.maximum_receive_count, 1000);
    assert!(redrive.dead_letter_queue_arn.ends_with(":relay-local-DeadLetterQueue"));
    let [table] = description.tables.as_slice() else { panic!("one table") };
    assert_eq!(table.time_to_live_attribute.as_deref(), Some("expires_at"));
    assert_eq!(table.create_request["TableName"], "relay-local-MessagesTable");
    assert_eq!(table.create_request["GlobalSecondaryIndexes"][0]["IndexName"], "dead");
    let [bucket] = description.buckets.as_slice() else { panic!("one bucket") };
    assert!(
        bucket.lifecycle.contains(&Expiration { prefix: "uploads/".to_owned(), days: 1 }),
        "{bucket:?}"
    );
    let worker = description.role("WorkerRole").unwrap();
    let allows = |action: &str, resource: &str| {
        worker.statements.iter().any(|statement| {
            statement.actions.iter().any(|allowed| allowed == action)
                && statement.resources.iter().any(|allowed| allowed == resource)
        })
    };
    assert!(allows("s3:GetObject", "arn:aws:s3:::relay-local-payloadbucket/payloads/*"));
    // The body of a message that dies, where nothing else has it.
    assert!(allows("s3:PutObject", "arn:aws:s3:::relay-local-payloadbucket/payloads/*"));
    assert!(!allows("s3:GetObject", "arn:aws:s3:::relay-local-payloadbucket/uploads/*"));
}

#[test]
fn the_shipped_template_describes_the_schedule() {
    let description = shipped(&[]).unwrap();
    let [schedule] = description.schedules.as_slice() else { panic!("one schedule") };
    assert_eq!(schedule.function, "ReconcilerFunction");
    assert_eq!(schedule.every, Duration::from_secs(300));
    let arn = "arn:aws:events:eu-west-1:000000000000:rule/relay-local-ReconcilerFunctionReconcile";
    assert_eq!(schedule.rule_arn, arn);
    let function = description.function("ReconcilerFunction").unwrap();
    let expected =
        AsynchronousInvocation { retries_max: 0, event_age_max: Duration::from_secs(300) };
    assert_eq!(function.asynchronous, expected);
    let worker = description.function("WorkerFunction").unwrap();
    assert_eq!(worker.asynchronous, AsynchronousInvocation::LAMBDA_DEFAULT);
    let every_minute = shipped(&[("ReconcileSchedule", "rate(1 minute)")]).unwrap();
    assert_eq!(every_minute.schedules[0].every, Duration::from_secs(60));
}

#[test]
fn schedules_that_cannot_be_honoured_are_refused_by_name() {
    let found = mistakes(describe(
        r"
Resources:
  Run:
    Type: AWS::Serverless::Function
    Metadata: {BuildProperties: {Binary: worker}}
    Properties:
      EventInvokeConfig:
        MaximumRetryAttempts: 3
        MaximumEventAgeInSeconds: 59
        DestinationConfig: {OnFailure: {Type: SQS}}
      Events:
        Nightly: {Type: Schedule, Properties: {Schedule: cron(0 0 * * ? *)}}
        Told: {Type: Schedule, Properties: {Schedule: rate(1 hour), Input: '{}'}}
        Kept: {Type: Schedule, Properties: {Schedule: rate(1 hour), DeadLetterConfig: {Type: SQS}}}
        Again: {Type: Schedule, Properties: {Schedule: rate(1 hour), RetryPolicy: {MaximumRetryAttempts: 1}}}
        Off: {Type: Schedule, Properties: {Schedule: rate(1 hour), Enabled: false}}
        Stopped: {Type: Schedule, Properties: {Schedule: rate(1 hour), State: DISABLED}}
        Second: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 hour)}}
        Quick: {Type: Schedule, Properties: {Schedule: rate(1 minutes)}}
        Fine: {Type: Schedule, Properties: {Schedule: rate(1 day), Name: a, Description: b, Enabled: true}}
",
        &[],
    ));
    let parts = [
        "EventInvokeConfig.MaximumRetryAttempts: is above 2",
        "EventInvokeConfig.MaximumEventAgeInSeconds: is not between 60 and 21600 seconds",
        "EventInvokeConfig.DestinationConfig",
        "Nightly.Properties.Schedule: is `cron(0 0 * * ? *)`, and only rates",
        "Told.Properties.Input",
        "Kept.Properties.DeadLetterConfig",
        "Again.Properties.RetryPolicy",
        "Off.Properties.Enabled",
        "Stopped.Properties.State",
        "Second.Type: is ScheduleV2",
        "Quick.Properties.Schedule: is `rate(1 minutes)`, and after 1",
    ];
    for part in parts {
        assert!(found.iter().any(|mistake| mistake.contains(part)), "{part}: {found:#?}");
    }
    assert!(!found.iter().any(|mistake| mistake.contains("Fine")), "{found:#?}");
}

#[test]
fn provisioned_pollers_are_refused_because_one_machine_has_none() {
    let found = mistakes(shipped(&[("ProvisionedPollersMax", "10")]));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("ProvisionedPollerConfig"), "{found:?}");
}

/// A template with one queue whose visibility timeout is the expression under test.
fn with_visibility(expression: &str) -> String {
    format!(
        r#"
Parameters:
  Seconds: {{Type: Number, Default: 45}}
  Mode: {{Type: String, Default: fast, AllowedValues: [fast, slow]}}
Conditions:
  IsFast: !Equals [!Ref Mode, fast]
  IsSlow: !Not [!Condition IsFast]
  Both: !And [!Condition IsFast, !Condition IsSlow]
  Either: !Or [!Condition IsFast, !Condition IsSlow]
  Circle: !Not [!Condition Circle]
Resources:
  Jobs:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: {expression}
"#
    )
}

#[track_caller]
fn check(expression: &str, expected_seconds: u32) {
    let description = describe(&with_visibility(expression), &[]).unwrap();
    assert_eq!(description.queues[0].visibility_timeout_seconds, expected_seconds, "{expression}");
}

#[test]
fn intrinsic_functions_are_evaluated() {
    check("12", 12);
    check("!Ref Seconds", 45);
    check("{Ref: Seconds}", 45);
    check("!If [IsFast, 1, 2]", 1);
    check("!If [IsSlow, 1, 2]", 2);
    check("!If [Both, 1, 2]", 2);
    check("!If [Either, 1, 2]", 1);
    check("{'Fn::If': [IsFast, !Ref Seconds, 2]}", 45);
    check("!Sub '1${Seconds}'", 145);
    check("!Sub ['${Own}${Seconds}', {Own: 2}]", 245);
    check("!Join ['', [3, !Ref Seconds]]", 345);
    check("!Ref AWS::NoValue", 30);
}

#[track_caller]
fn check_refused(expression: &str, part: &str) {
    let found = mistakes(describe(&with_visibility(expression), &[]));
    assert!(found.iter().any(|mistake| mistake.contains(part)), "{expression}: {found:?}");
}

#[test]
fn what_cannot_be_honoured_is_refused_by_name() {
    check_refused("!ImportValue other", "ImportValue");
    check_refused("!Ref Missing", "Missing");
    check_refused("!GetAtt Jobs.Colour", "Jobs.Colour");
    check_refused("!If [Unknown, 1, 2]", "Unknown");
    check_refused("!If [Circle, 1, 2]", "circle");
    check_refused("soon", "soon");
    check_refused("-1", "-1");
}

#[test]
fn every_mistake_is_reported_at_once() {
    let found = mistakes(describe(
        r"
Mappings: {}
Resources:
  Topic: {Type: 'AWS::Kinesis::Stream'}
  Jobs:
    Type: AWS::SQS::Queue
    Properties: {FifoQueue: true, RedrivePolicy: {deadLetterTargetArn: nowhere}}
  Run:
    Type: AWS::Serverless::Function
    Properties:
      Timeout: 5
      Events:
        Nightly: {Type: Schedule, Properties: {Schedule: rate(1 days)}}
",
        &[("Ghost", "1")],
    ));
    for part in [
        "Mappings",
        "AWS::Kinesis::Stream",
        "FifoQueue",
        "deadLetterTargetArn",
        "maxReceiveCount",
        "rate(1 days)",
        "BuildProperties.Binary",
        "Ghost",
    ] {
        assert!(found.iter().any(|mistake| mistake.contains(part)), "{part}: {found:#?}");
    }
}

#[test]
fn parameters_are_held_to_their_limits() {
    let found = mistakes(shipped(&[("BatchSize", "0"), ("LogLevel", "loud")]));
    assert_eq!(found.len(), 3, "{found:#?}");
    for part in ["below the minimum of 1", "loud", "BatchSize: is not between"] {
        assert!(found.iter().any(|mistake| mistake.contains(part)), "{part}: {found:#?}");
    }
}
