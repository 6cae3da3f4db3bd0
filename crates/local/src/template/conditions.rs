//! The condition functions of a template: Equals, Not, And, Or, and conditions by name.
//!
//! Values inside them are evaluated by [`super::evaluate`].

use serde_yaml_ng::Value as Yaml;

use super::evaluate::{
    DEPTH_MAX, Evaluator, References, expect_items, expect_text, intrinsic, text_of,
};
use super::mistake::Mistakes;

impl<R: References> Evaluator<'_, R> {
    pub(super) fn named_condition(
        &self,
        path: &str,
        name: &str,
        depth: usize,
        mistakes: &mut Mistakes,
    ) -> Option<bool> {
        match self.conditions.get(name) {
            Some(condition) => {
                self.condition(&format!("Conditions.{name}"), condition, depth, mistakes)
            }
            None => {
                mistakes.add(path, format!("names the condition {name}, which is not defined"));
                None
            }
        }
    }

    fn condition(
        &self,
        path: &str,
        yaml: &Yaml,
        depth: usize,
        mistakes: &mut Mistakes,
    ) -> Option<bool> {
        let depth = depth.checked_sub(1).or_else(|| {
            mistakes.add(path, format!("nests deeper than {DEPTH_MAX} levels, or in a circle"));
            None
        })?;
        match intrinsic(yaml) {
            Some((name, argument)) if name == "Condition" => {
                let name = expect_text(path, "!Condition", argument, mistakes)?;
                self.named_condition(path, &name, depth, mistakes)
            }
            Some((name, argument)) => self.condition_call(path, &name, argument, depth, mistakes),
            None => {
                mistakes.add(path, "is not a condition function");
                None
            }
        }
    }

    pub(super) fn condition_call(
        &self,
        path: &str,
        name: &str,
        argument: &Yaml,
        depth: usize,
        mistakes: &mut Mistakes,
    ) -> Option<bool> {
        match name {
            "Equals" => {
                let [left, right] = expect_items(path, "!Equals", argument, mistakes)?;
                let left = self.value(path, left, depth, mistakes)?;
                let right = self.value(path, right, depth, mistakes)?;
                // CloudFormation compares as text: a parameter of type Number is one.
                Some(text_of(&left) == text_of(&right))
            }
            "Not" => {
                let [inner] = expect_items(path, "!Not", argument, mistakes)?;
                self.condition(path, inner, depth, mistakes).map(|holds| !holds)
            }
            "And" | "Or" => {
                let Some(items) = argument.as_sequence() else {
                    mistakes.add(path, format!("!{name} needs a list of conditions"));
                    return None;
                };
                let holds: Vec<bool> = items
                    .iter()
                    .map(|item| self.condition(path, item, depth, mistakes))
                    .collect::<Option<_>>()?;
                Some(if name == "And" {
                    holds.into_iter().all(|holds| holds)
                } else {
                    holds.into_iter().any(|holds| holds)
                })
            }
            unknown => {
                mistakes.add(path, format!("{unknown} is not a condition the local stack knows"));
                None
            }
        }
    }
}
