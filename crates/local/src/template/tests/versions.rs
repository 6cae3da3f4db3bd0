//! Checks of what the template says about versions, pauses and alarms, which do nothing here or something else.

use super::super::description::Description;
use super::{describe, shipped};

#[test]
fn delivery_is_paused_by_one_parameter() {
    let description = shipped(&[("DeliveryEnabled", "false")]).unwrap();
    let [source] = description.event_sources.as_slice() else { panic!("one event source") };
    assert!(!source.is_enabled);
}

#[test]
fn versions_change_nothing_here_however_they_are_deployed() {
    let plain = shipped(&[]).unwrap();
    let gradual = shipped(&[
        ("GradualDeployment", "true"),
        ("DeploymentPreference", "Linear10PercentEvery1Minute"),
        ("IngestProvisionedConcurrency", "5"),
        ("IngestProvisionedConcurrencyMax", "50"),
        ("WorkerProvisionedConcurrency", "1"),
    ])
    .unwrap();
    assert_eq!(plain.functions, gradual.functions);
    assert_eq!(plain.routes, gradual.routes);
    assert_eq!(plain.event_sources, gradual.event_sources);
    // Only who moves the aliases, which nobody does here.
    let roles = |description: &Description| description.roles.len();
    assert_eq!(roles(&gradual), roles(&plain) + 2);
}

#[test]
fn alarms_and_topics_are_referred_to_as_cloudformation_does() {
    let description = describe(
        r#"
Resources:
  Rings: {Type: 'AWS::CloudWatch::Alarm', Properties: {AlarmActions: [!Ref Told]}}
  Rest:
    Type: AWS::CloudWatch::CompositeAlarm
    Properties: {AlarmRule: !Sub 'ALARM("${Rings}")'}
  Told: {Type: 'AWS::SNS::Topic', Properties: {KmsMasterKeyId: alias/aws/sns}}
  Shows:
    Type: AWS::IAM::Role
    Properties:
      Policies:
        - PolicyName: p
          PolicyDocument:
            Statement:
              - Effect: Allow
                Action: a
                Resource: [!Ref Rings, !Ref Told, !GetAtt Rings.Arn, !GetAtt Told.TopicName]
"#,
        &[],
    )
    .unwrap();
    let [only] = description.role("Shows").unwrap().statements.as_slice() else { panic!("one") };
    let expected = [
        "relay-local-Rings",
        "arn:aws:sns:eu-west-1:000000000000:relay-local-Told",
        "arn:aws:cloudwatch:eu-west-1:000000000000:alarm:relay-local-Rings",
        "relay-local-Told",
    ];
    assert_eq!(only.resources, expected);
}
