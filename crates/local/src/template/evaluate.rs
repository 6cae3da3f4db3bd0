//! Turns a YAML value with CloudFormation's intrinsic functions into plain JSON.
//!
//! It knows Ref, GetAtt, Sub, Join and If, and the conditions of [`super::conditions`]. Any other
//! function is refused by name. What a reference means is answered by [`References`].

use serde_json::{Map, Value as Json};
use serde_yaml_ng::Value as Yaml;
use std::collections::BTreeMap;

use super::mistake::Mistakes;
use super::substitute::{self, Piece};

/// How deep values may nest: CloudFormation's own template limits stay far below, and recursion ends.
pub(super) const DEPTH_MAX: usize = 64;

/// What names in a template stand for.
pub(super) trait References {
    /// The value of `!Ref name`, or why there is none.
    fn reference(&self, name: &str) -> Result<Json, String>;
    /// The value of `!GetAtt name.attribute`, or why there is none.
    fn attribute(&self, name: &str, attribute: &str) -> Result<Json, String>;
}

/// Evaluates values under one set of references and conditions.
pub(super) struct Evaluator<'a, R> {
    pub(super) references: &'a R,
    pub(super) conditions: &'a BTreeMap<String, Yaml>,
}

/// An intrinsic function call, in the short form (`!Ref x`) or the long one (`{Ref: x}`).
pub(super) fn intrinsic(yaml: &Yaml) -> Option<(String, &Yaml)> {
    match yaml {
        Yaml::Tagged(tagged) => {
            Some((tagged.tag.to_string().trim_start_matches('!').to_owned(), &tagged.value))
        }
        Yaml::Mapping(mapping) if mapping.len() == 1 => {
            let (key, argument) = mapping.iter().next()?;
            let key = key.as_str()?;
            if key == "Ref" {
                return Some((key.to_owned(), argument));
            }
            key.strip_prefix("Fn::").map(|name| (name.to_owned(), argument))
        }
        Yaml::Mapping(_)
        | Yaml::Null
        | Yaml::Bool(_)
        | Yaml::Number(_)
        | Yaml::String(_)
        | Yaml::Sequence(_) => None,
    }
}

/// The text CloudFormation makes of a scalar, or nothing for a list or a map.
pub(super) fn text_of(json: &Json) -> Option<String> {
    match json {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(flag) => Some(flag.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

impl<R: References> Evaluator<'_, R> {
    /// The plain value, or nothing where the template says `AWS::NoValue` or is mistaken (which is
    /// reported to `mistakes`).
    pub(super) fn evaluate(
        &self,
        path: &str,
        yaml: &Yaml,
        mistakes: &mut Mistakes,
    ) -> Option<Json> {
        self.value(path, yaml, DEPTH_MAX, mistakes)
    }

    /// Whether the named condition holds.
    pub(super) fn holds(&self, path: &str, name: &str, mistakes: &mut Mistakes) -> bool {
        self.named_condition(path, name, DEPTH_MAX, mistakes).unwrap_or(false)
    }

    pub(super) fn value(
        &self,
        path: &str,
        yaml: &Yaml,
        depth: usize,
        mistakes: &mut Mistakes,
    ) -> Option<Json> {
        let Some(depth) = depth.checked_sub(1) else {
            mistakes.add(path, format!("nests deeper than {DEPTH_MAX} levels"));
            return None;
        };
        if let Some((name, argument)) = intrinsic(yaml) {
            return self.call(path, &name, argument, depth, mistakes);
        }
        match yaml {
            Yaml::Mapping(mapping) => {
                let mut object = Map::new();
                for (key, value) in mapping {
                    let Some(key) = scalar_text(key) else {
                        mistakes.add(path, "has a key that is not text");
                        continue;
                    };
                    let path = format!("{path}.{key}");
                    if let Some(value) = self.value(&path, value, depth, mistakes) {
                        object.insert(key, value);
                    }
                }
                Some(Json::Object(object))
            }
            Yaml::Sequence(items) => Some(Json::Array(self.list(path, items, depth, mistakes))),
            Yaml::Null | Yaml::Bool(_) | Yaml::Number(_) | Yaml::String(_) | Yaml::Tagged(_) => {
                let json = serde_json::to_value(yaml).ok();
                if json.is_none() {
                    mistakes.add(path, "is a number that JSON cannot carry");
                }
                json
            }
        }
    }

    fn list(&self, path: &str, items: &[Yaml], depth: usize, mistakes: &mut Mistakes) -> Vec<Json> {
        let mut values = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            values.extend(self.value(&format!("{path}[{index}]"), item, depth, mistakes));
        }
        values
    }

    fn call(
        &self,
        path: &str,
        name: &str,
        argument: &Yaml,
        depth: usize,
        mistakes: &mut Mistakes,
    ) -> Option<Json> {
        match name {
            "Ref" if argument.as_str() == Some("AWS::NoValue") => None,
            "Ref" => {
                let name = expect_text(path, "!Ref", argument, mistakes)?;
                self.answer(path, self.references.reference(&name), mistakes)
            }
            "GetAtt" => {
                let (resource, attribute) = get_att_argument(path, argument, mistakes)?;
                self.answer(path, self.references.attribute(&resource, &attribute), mistakes)
            }
            "Sub" => self.substitute(path, argument, depth, mistakes),
            "Join" => self.join(path, argument, depth, mistakes),
            "If" => {
                let [name, yes, no] = expect_items(path, "!If", argument, mistakes)?;
                let name = expect_text(path, "!If", name, mistakes)?;
                let holds = self.named_condition(path, &name, depth, mistakes)?;
                self.value(path, if holds { yes } else { no }, depth, mistakes)
            }
            "Equals" | "Not" | "And" | "Or" => {
                self.condition_call(path, name, argument, depth, mistakes).map(Json::Bool)
            }
            unknown => {
                mistakes.add(
                    path,
                    format!("uses the function {unknown}, which the local stack does not know"),
                );
                None
            }
        }
    }

    fn answer(
        &self,
        path: &str,
        answer: Result<Json, String>,
        mistakes: &mut Mistakes,
    ) -> Option<Json> {
        answer.map_err(|problem| mistakes.add(path, problem)).ok()
    }

    fn substitute(
        &self,
        path: &str,
        argument: &Yaml,
        depth: usize,
        mistakes: &mut Mistakes,
    ) -> Option<Json> {
        let (text, variables) = match argument {
            Yaml::Sequence(items) if items.len() == 2 => (&items[0], Some(&items[1])),
            other => (other, None),
        };
        let text = expect_text(path, "!Sub", text, mistakes)?;
        let variables = match variables {
            Some(variables) => self.value(path, variables, depth, mistakes)?,
            None => Json::Null,
        };
        let mut whole = String::new();
        for piece in substitute::pieces(&text) {
            let value = match piece {
                Piece::Literal(literal) => Json::String(literal.to_owned()),
                Piece::Variable(name) => match (variables.get(name), name.split_once('.')) {
                    (Some(value), _) => value.clone(),
                    (None, Some((resource, attribute))) => {
                        self.answer(path, self.references.attribute(resource, attribute), mistakes)?
                    }
                    (None, None) => self.answer(path, self.references.reference(name), mistakes)?,
                },
            };
            let Some(value) = text_of(&value) else {
                mistakes.add(path, "puts a list or a map into a !Sub");
                return None;
            };
            whole.push_str(&value);
        }
        Some(Json::String(whole))
    }

    fn join(
        &self,
        path: &str,
        argument: &Yaml,
        depth: usize,
        mistakes: &mut Mistakes,
    ) -> Option<Json> {
        let [separator, items] = expect_items(path, "!Join", argument, mistakes)?;
        let separator = expect_text(path, "!Join", separator, mistakes)?;
        let items = self.value(path, items, depth, mistakes)?;
        let texts: Option<Vec<String>> =
            items.as_array().and_then(|items| items.iter().map(text_of).collect());
        if texts.is_none() {
            mistakes.add(path, "!Join needs a list of texts");
        }
        texts.map(|texts| Json::String(texts.join(&separator)))
    }
}

fn scalar_text(yaml: &Yaml) -> Option<String> {
    serde_json::to_value(yaml).ok().as_ref().and_then(text_of)
}

pub(super) fn expect_text(
    path: &str,
    function: &str,
    argument: &Yaml,
    mistakes: &mut Mistakes,
) -> Option<String> {
    let text = argument.as_str().map(str::to_owned);
    if text.is_none() {
        mistakes.add(path, format!("{function} needs a text here"));
    }
    text
}

pub(super) fn expect_items<'y, const COUNT: usize>(
    path: &str,
    function: &str,
    argument: &'y Yaml,
    mistakes: &mut Mistakes,
) -> Option<[&'y Yaml; COUNT]> {
    let items: Option<[&Yaml; COUNT]> =
        argument.as_sequence().and_then(|items| items.iter().collect::<Vec<_>>().try_into().ok());
    if items.is_none() {
        mistakes.add(path, format!("{function} needs a list of {COUNT}"));
    }
    items
}

fn get_att_argument(
    path: &str,
    argument: &Yaml,
    mistakes: &mut Mistakes,
) -> Option<(String, String)> {
    let pair = match argument {
        Yaml::String(text) => text.split_once('.').map(|(a, b)| (a.to_owned(), b.to_owned())),
        other => other.as_sequence().and_then(|items| match items.as_slice() {
            [resource, attribute] => {
                Some((resource.as_str()?.to_owned(), attribute.as_str()?.to_owned()))
            }
            _ => None,
        }),
    };
    if pair.is_none() {
        mistakes.add(path, "!GetAtt needs Resource.Attribute");
    }
    pair
}
