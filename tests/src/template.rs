//! The SAM template as a tree of values, with references kept as they are written.
//!
//! Deliberately no evaluation but one: a `!Ref` to a parameter can be read as that parameter's default.

use serde_yaml_ng::{Mapping, Value};

use crate::read;

/// template.yaml, parsed.
#[derive(Debug)]
pub struct Template {
    document: Value,
}

/// A short-form reference, as written.
#[derive(Debug, PartialEq, Eq)]
pub enum Reference<'a> {
    /// `!Ref Name`
    Ref(&'a str),
    /// `!GetAtt Name.Attribute`
    GetAtt(&'a str),
    /// `!Sub "text"`
    Sub(&'a str),
}

/// What the template says of one parameter.
#[derive(Debug)]
pub struct Parameter<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its default, as text.
    pub default: String,
    /// `MinValue`, for numbers.
    pub minimum: Option<i64>,
    /// `MaxValue`, for numbers.
    pub maximum: Option<i64>,
    /// `AllowedValues`, as text; empty if it has none.
    pub allowed: Vec<String>,
    /// `Description`.
    pub description: &'a str,
}

impl Template {
    /// Reads template.yaml.
    #[must_use]
    pub fn load() -> Self {
        let document = serde_yaml_ng::from_str(&read("template.yaml"));
        Self { document: document.unwrap_or_else(|error| panic!("template.yaml: {error}")) }
    }

    /// The whole document.
    #[must_use]
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// The value at a path of keys joined by `/`, if all of them are there.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<&Value> {
        path.split('/').try_fold(&self.document, |value, key| value.get(key))
    }

    /// The value at a path of keys joined by `/`.
    #[must_use]
    pub fn at(&self, path: &str) -> &Value {
        self.find(path).unwrap_or_else(|| panic!("template.yaml has nothing at {path}"))
    }

    /// The entries of the mapping at a path.
    #[must_use]
    pub fn entries(&self, path: &str) -> Vec<(&str, &Value)> {
        named(self.at(path).as_mapping().unwrap_or_else(|| panic!("{path} is no mapping")))
    }

    /// Names of all resources of a type, such as `AWS::SQS::Queue`.
    #[must_use]
    pub fn resources(&self, kind: &str) -> Vec<&str> {
        let all = self.entries("Resources").into_iter();
        let found = all.filter(|(_, resource)| resource["Type"] == kind).map(|(name, _)| name);
        let found: Vec<_> = found.collect();
        assert!(!found.is_empty(), "template.yaml has no {kind}");
        found
    }

    /// The number at a path: written there, or the default of the parameter it refers to.
    #[must_use]
    pub fn number(&self, path: &str) -> i64 {
        let value = self.at(path);
        let text = match Reference::of(value) {
            Some(Reference::Ref(name)) => self.parameter(name).default,
            Some(other) => panic!("{path} is no number: {other:?}"),
            None => text(value),
        };
        text.parse().unwrap_or_else(|_| panic!("{path} is no number: {text}"))
    }

    /// A parameter by its name.
    #[must_use]
    pub fn parameter<'a>(&'a self, name: &'a str) -> Parameter<'a> {
        let body = self.at(&format!("Parameters/{name}"));
        Parameter {
            name,
            default: text(&body["Default"]),
            minimum: body["MinValue"].as_i64(),
            maximum: body["MaxValue"].as_i64(),
            allowed: body["AllowedValues"]
                .as_sequence()
                .map(|all| all.iter().map(text).collect())
                .unwrap_or_default(),
            description: body["Description"].as_str().unwrap_or_default(),
        }
    }

    /// All parameters, in the template's order.
    #[must_use]
    pub fn parameters(&self) -> Vec<Parameter<'_>> {
        self.entries("Parameters").into_iter().map(|(name, _)| self.parameter(name)).collect()
    }
}

impl<'a> Reference<'a> {
    /// The reference that `value` is, if it is one.
    #[must_use]
    pub fn of(value: &'a Value) -> Option<Self> {
        let Value::Tagged(tagged) = value else { return None };
        let target = tagged.value.as_str()?;
        match tagged.tag.to_string().as_str() {
            "!Ref" => Some(Self::Ref(target)),
            "!GetAtt" => Some(Self::GetAtt(target)),
            "!Sub" => Some(Self::Sub(target)),
            _ => None,
        }
    }
}

impl Parameter<'_> {
    /// Whether CloudFormation would take `value` for this parameter.
    #[must_use]
    pub fn accepts(&self, value: &str) -> bool {
        let listed = self.allowed.is_empty() || self.allowed.iter().any(|allowed| allowed == value);
        let is_number = self.minimum.is_some() || self.maximum.is_some();
        let in_range = value.parse().is_ok_and(|number: i64| {
            self.minimum.is_none_or(|minimum| number >= minimum)
                && self.maximum.is_none_or(|maximum| number <= maximum)
        });
        listed && (!is_number || in_range)
    }
}

/// The strings of a value that is one string or a list of them; `!Sub` and `!GetAtt` count as their text.
#[must_use]
pub fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::Sequence(all) => all.iter().flat_map(strings).collect(),
        Value::Tagged(tagged) => strings(&tagged.value),
        Value::String(one) => vec![one],
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Mapping(_) => {
            panic!("neither a string nor a list of strings: {value:?}")
        }
    }
}

fn named(mapping: &Mapping) -> Vec<(&str, &Value)> {
    let entries = mapping.iter();
    entries
        .map(|(key, value)| (key.as_str().expect("a key of the template is text"), value))
        .collect()
}

/// A scalar as CloudFormation would pass it on.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Null | Value::Sequence(_) | Value::Mapping(_) | Value::Tagged(_) => {
            panic!("no scalar: {value:?}")
        }
    }
}
