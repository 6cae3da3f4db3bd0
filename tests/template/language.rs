//! The template keeps to what the local stack reads: a few tags, no macros, no nested stacks.

use std::collections::BTreeSet;

use relay_tests::Template;
use serde_yaml_ng::Value;

const TAGS: [&str; 7] = ["!Equals", "!GetAtt", "!If", "!Join", "!Not", "!Ref", "!Sub"];

fn collect(value: &Value, tags: &mut BTreeSet<String>, long_forms: &mut Vec<String>) {
    match value {
        Value::Sequence(all) => all.iter().for_each(|one| collect(one, tags, long_forms)),
        Value::Mapping(all) => {
            for (key, inner) in all {
                let name = key.as_str().unwrap_or_default();
                if name == "Ref" || name.starts_with("Fn::") {
                    long_forms.push(name.to_owned());
                }
                collect(inner, tags, long_forms);
            }
        }
        Value::Tagged(tagged) => {
            tags.insert(tagged.tag.to_string());
            collect(&tagged.value, tags, long_forms);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn only_tags_that_the_local_stack_reads() {
    let template = Template::load();
    let (mut tags, mut long_forms) = (BTreeSet::new(), Vec::new());
    collect(template.document(), &mut tags, &mut long_forms);
    let unknown: Vec<_> = tags.iter().filter(|tag| !TAGS.contains(&tag.as_str())).collect();
    assert_eq!(unknown, Vec::<&String>::new());
    assert_eq!(long_forms, Vec::<String>::new(), "write the short form");
}

#[test]
fn the_only_macro_is_sam() {
    let template = Template::load();
    assert_eq!(template.at("Transform"), "AWS::Serverless-2016-10-31");
    for (name, resource) in template.entries("Resources") {
        let kind = resource["Type"].as_str().unwrap_or_default();
        let nested = ["AWS::CloudFormation::Stack", "AWS::Serverless::Application"];
        assert!(!nested.contains(&kind), "{name} is a nested stack");
    }
}
