//! A composite alarm: its rule, and when it rings.

use std::collections::BTreeMap;

use serde_yaml_ng::Value;

use super::resolve::Resolver;
use super::rule::Rule;
use super::{Minute, State};
use crate::Template;

/// Seconds in the unit that the clock of a test counts.
const SECONDS_IN_MINUTE: Minute = 60;

/// What holds a composite alarm's actions back.
#[derive(Debug, Clone)]
struct Suppressor {
    by: String,
    wait_minutes: Minute,
    extension_minutes: Minute,
}

/// An `AWS::CloudWatch::CompositeAlarm`.
#[derive(Debug, Clone)]
pub struct Composite {
    rule: Rule,
    suppressor: Option<Suppressor>,
    rings: bool,
}

impl Composite {
    /// Reads the composite alarm of this logical id.
    #[must_use]
    pub fn read(template: &Template, logical_id: &str) -> Self {
        let parameters = BTreeMap::new();
        let resolver = Resolver::new(template, &parameters);
        let properties = resolver.properties(logical_id);
        let rule = Rule::parse(&resolver.wanted(&properties["AlarmRule"], "AlarmRule"));
        let minutes = |name: &str| {
            let seconds =
                properties[name].as_i64().unwrap_or_else(|| panic!("{logical_id}: no {name}"));
            // A minute that has begun counts: that is when states are looked at.
            seconds.div_euclid(SECONDS_IN_MINUTE)
        };
        let suppressor = resolver.text(&properties["ActionsSuppressor"]).map(|by| Suppressor {
            by,
            wait_minutes: minutes("ActionsSuppressorWaitPeriod"),
            extension_minutes: minutes("ActionsSuppressorExtensionPeriod"),
        });
        let rings = properties.get("AlarmActions").and_then(Value::as_sequence).is_some();
        Self { rule, suppressor, rings }
    }

    /// Whether it has actions at all.
    #[must_use]
    pub fn rings(&self) -> bool {
        self.rings
    }

    /// The alarms that its rule names.
    #[must_use]
    pub fn children(&self) -> Vec<&str> {
        self.rule.names()
    }

    /// Whether this alarm alone puts it into ALARM.
    #[must_use]
    pub fn is_set_off_by(&self, alarm: &str) -> bool {
        self.rule.holds(&|name| name == alarm)
    }

    /// The alarm that holds its actions back.
    #[must_use]
    pub fn suppressor(&self) -> Option<&str> {
        self.suppressor.as_ref().map(|suppressor| suppressor.by.as_str())
    }

    /// Its states, from the states of the alarms that its rule names.
    pub(super) fn states(&self, of: &dyn Fn(&str, usize) -> State, minutes: usize) -> Vec<State> {
        let at = |minute| self.rule.holds(&|name| of(name, minute) == State::Alarm);
        (0..minutes).map(|minute| if at(minute) { State::Alarm } else { State::Ok }).collect()
    }

    /// The minutes in which it takes its actions for ALARM, from its own states and its suppressor's: at once when it
    /// goes into ALARM, or as soon as nothing holds it back any more, if it is in ALARM still.
    pub(super) fn rung(&self, states: &[State], suppressing: &[State]) -> Vec<Minute> {
        let mut rung = Vec::new();
        let mut since = None;
        let mut is_due = false;
        let mut suppressed_at = None;
        for (minute, state) in states.iter().enumerate() {
            let minute = minute as Minute;
            if suppressing.get(minute as usize) == Some(&State::Alarm) {
                suppressed_at = Some(minute);
            }
            if *state != State::Alarm {
                (since, is_due) = (None, false);
                continue;
            }
            is_due |= since.is_none();
            let since = *since.get_or_insert(minute);
            let is_held_back = self.suppressor.as_ref().is_some_and(|suppressor| {
                minute - since < suppressor.wait_minutes
                    || suppressed_at.is_some_and(|at| minute - at <= suppressor.extension_minutes)
            });
            if self.rings && is_due && !is_held_back {
                rung.push(minute);
                is_due = false;
            }
        }
        rung
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fifteen minutes of a composite that is in ALARM from the third on to the twelfth.
    fn rung(suppressor_in_alarm: std::ops::Range<usize>) -> Vec<Minute> {
        let state = |holds| if holds { State::Alarm } else { State::Ok };
        let own: Vec<_> = (0..15).map(|minute| state((3..12).contains(&minute))).collect();
        let other: Vec<_> =
            (0..15).map(|minute| state(suppressor_in_alarm.contains(&minute))).collect();
        let suppressor =
            Some(Suppressor { by: "it".into(), wait_minutes: 2, extension_minutes: 3 });
        let rule = Rule::Alarm("child".into());
        Composite { rule, suppressor, rings: true }.rung(&own, &other)
    }

    #[test]
    fn it_waits_for_its_suppressor_and_a_while_after_it() {
        assert_eq!(rung(0..0), [5], "two minutes after the third");
        assert_eq!(rung(4..6), [9], "the suppressor's last minute is the fifth, and three more");
        assert_eq!(rung(4..9), [0; 0], "it is over before the extension is");
        assert_eq!(rung(8..10), [5], "what has rung is not rung again");
    }
}
