//! Reads values of the template as plain text: parameters by their values, resources by their own names.

use std::collections::BTreeMap;

use serde_yaml_ng::Value;

use crate::{Reference, Template};

/// The template under certain values of its parameters.
pub(super) struct Resolver<'a> {
    template: &'a Template,
    given: &'a BTreeMap<String, String>,
}

impl<'a> Resolver<'a> {
    /// Parameters that are not given have their defaults.
    pub(super) fn new(template: &'a Template, given: &'a BTreeMap<String, String>) -> Self {
        Self { template, given }
    }

    /// The properties of a resource.
    pub(super) fn properties(&self, logical_id: &str) -> &'a Value {
        self.template.at(&format!("Resources/{logical_id}/Properties"))
    }

    /// The text of a value, or nothing where the template says `AWS::NoValue` or nothing.
    pub(super) fn text(&self, value: &Value) -> Option<String> {
        match value {
            Value::Null => None,
            Value::Bool(truth) => Some(truth.to_string()),
            Value::Number(number) => Some(number.to_string()),
            Value::String(text) => Some(text.clone()),
            Value::Tagged(tagged) if tagged.tag == "If" => self.text(self.choose(&tagged.value)),
            Value::Tagged(_) => match Reference::of(value) {
                Some(Reference::Ref("AWS::NoValue")) => None,
                Some(Reference::Ref(name) | Reference::GetAtt(name)) => Some(self.named(name)),
                Some(Reference::Sub(text)) => Some(self.substitute(text)),
                None => panic!("a reference that is not known: {value:?}"),
            },
            Value::Sequence(_) | Value::Mapping(_) => panic!("no text: {value:?}"),
        }
    }

    /// The text of a value that has to be there.
    pub(super) fn wanted(&self, value: &Value, what: &str) -> String {
        self.text(value).unwrap_or_else(|| panic!("{what} is missing"))
    }

    /// The number that a value is, if there is one.
    pub(super) fn number(&self, value: &Value) -> Option<f64> {
        let text = self.text(value)?;
        Some(text.parse().unwrap_or_else(|_| panic!("no number: {text}")))
    }

    fn choose<'v>(&self, arguments: &'v Value) -> &'v Value {
        let Some([condition, yes, no]) = arguments.as_sequence().map(Vec::as_slice) else {
            panic!("!If has three arguments, not {arguments:?}")
        };
        let condition = condition.as_str().expect("a condition has a name");
        if self.holds(self.template.at(&format!("Conditions/{condition}"))) { yes } else { no }
    }

    fn holds(&self, condition: &Value) -> bool {
        let Value::Tagged(tagged) = condition else { panic!("no condition: {condition:?}") };
        match (tagged.tag.to_string().as_str(), tagged.value.as_sequence().map(Vec::as_slice)) {
            ("!Not", Some([inner])) => !self.holds(inner),
            ("!Equals", Some([left, right])) => self.text(left) == self.text(right),
            other => panic!("a condition that is not known: {other:?}"),
        }
    }

    /// The value of a parameter, or the logical id that `name` is or begins with.
    fn named(&self, name: &str) -> String {
        if let Some(value) = self.given.get(name) {
            return value.clone();
        }
        if self.template.find(&format!("Parameters/{name}")).is_some() {
            return self.template.parameter(name).default;
        }
        let logical_id = name.split_once('.').map_or(name, |(logical_id, _)| logical_id);
        let is_known = name.starts_with("AWS::")
            || self.template.find(&format!("Resources/{logical_id}")).is_some();
        assert!(is_known, "the template has no {name}");
        logical_id.to_owned()
    }

    fn substitute(&self, text: &str) -> String {
        let mut whole = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after.split_once('}').expect("a variable ends with a brace");
            whole.push_str(before);
            whole.push_str(&self.named(name));
            rest = after;
        }
        whole + rest
    }
}
