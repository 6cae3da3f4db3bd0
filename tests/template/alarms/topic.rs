//! Who is told: the topic that is given, the address that is given, both, or nobody; and by no single alarm.

use relay_tests::cloudwatch::Monitoring;
use relay_tests::{Reference, Template, strings};
use serde_yaml_ng::Value;

const POLICY: &str = "Resources/AlarmTopicPolicy/Properties/PolicyDocument/Statement";

/// `!If [condition, !Ref topic, !Ref AWS::NoValue]` as the first two.
fn choice(value: &Value) -> Option<(&str, &str)> {
    let Value::Tagged(tagged) = value else { return None };
    let [condition, topic, otherwise] = tagged.value.as_sequence()?.as_slice() else { return None };
    let is_optional =
        tagged.tag == "If" && Reference::of(otherwise) == Some(Reference::Ref("AWS::NoValue"));
    match Reference::of(topic)? {
        Reference::Ref(name) if is_optional => Some((condition.as_str()?, name)),
        Reference::Ref(_) | Reference::GetAtt(_) | Reference::Sub(_) => None,
    }
}

#[test]
fn what_rings_tells_both_topics_when_it_begins_and_when_it_ends() {
    let template = Template::load();
    let both = [("UseAlarmTopic", "AlarmTopicArn"), ("MakeAlarmTopic", "AlarmTopic")];
    let mut ringing = 0;
    for (id, composite) in Monitoring::read(&template).composites {
        ringing += usize::from(composite.rings());
        for actions in ["AlarmActions", "OKActions"] {
            let found = template.find(&format!("Resources/{id}/Properties/{actions}"));
            let found = found.and_then(Value::as_sequence).map(Vec::as_slice).unwrap_or_default();
            let found: Vec<_> = found.iter().filter_map(choice).collect();
            assert_eq!(found, if composite.rings() { &both[..] } else { &[] }, "{id}: {actions}");
        }
    }
    assert_eq!(ringing, 10, "four that wake people and six for what may last");
}

#[test]
fn no_single_alarm_tells_anybody() {
    let template = Template::load();
    for id in template.resources("AWS::CloudWatch::Alarm") {
        for actions in ["AlarmActions", "OKActions", "InsufficientDataActions"] {
            let found = template.find(&format!("Resources/{id}/Properties/{actions}"));
            assert_eq!(found, None, "{id}: {actions}");
        }
    }
}

#[test]
fn the_topic_is_made_for_an_address_and_only_alarms_of_this_account_reach_it() {
    let template = Template::load();
    for id in ["AlarmTopic", "AlarmTopicPolicy", "AlarmSubscription"] {
        assert_eq!(template.at(&format!("Resources/{id}/Condition")), "MakeAlarmTopic", "{id}");
    }
    let endpoint = template.at("Resources/AlarmSubscription/Properties/Endpoint");
    assert_eq!(Reference::of(endpoint), Some(Reference::Ref("AlarmEmail")));
    // CloudWatch may not use the key that AWS manages for SNS, so without a key of the operator's there is none.
    let key = template.at("Resources/AlarmTopic/Properties/KmsMasterKeyId");
    assert_eq!(strings(key), ["UseKmsKey", "KmsKeyArn", "AWS::NoValue"]);
    let statements = template.at(POLICY).as_sequence().expect("a list of statements");
    let allowing: Vec<_> =
        statements.iter().filter(|statement| statement["Effect"] == "Allow").collect();
    let [allowed] = allowing.as_slice() else { panic!("one statement allows, not {allowing:?}") };
    assert_eq!(allowed["Principal"]["Service"], "cloudwatch.amazonaws.com");
    assert_eq!(strings(&allowed["Action"]), ["sns:Publish"]);
    let account = &allowed["Condition"]["StringEquals"]["aws:SourceAccount"];
    assert_eq!(Reference::of(account), Some(Reference::Ref("AWS::AccountId")));
}
