//! All alarms of the template together: what they say and which of them ring.

use std::collections::BTreeMap;

use super::{Alarm, Composite, Minute, Series, State};
use crate::Template;

/// Every alarm of the template, by logical id.
#[derive(Debug)]
pub struct Monitoring {
    /// Those on metrics.
    pub alarms: BTreeMap<String, Alarm>,
    /// Those on other alarms.
    pub composites: BTreeMap<String, Composite>,
}

/// What the alarms did.
#[derive(Debug)]
pub struct History {
    /// The state of each alarm at the end of each minute.
    pub states: BTreeMap<String, Vec<State>>,
    /// Who was rung by what, in order.
    pub rung: Vec<(Minute, String)>,
}

impl Monitoring {
    /// Reads all alarms, under the defaults of all parameters.
    #[must_use]
    pub fn read(template: &Template) -> Self {
        let alarms = template.resources("AWS::CloudWatch::Alarm").into_iter();
        let composites = template.resources("AWS::CloudWatch::CompositeAlarm").into_iter();
        Self {
            alarms: alarms.map(|id| (id.to_owned(), Alarm::read(template, id))).collect(),
            composites: composites
                .map(|id| (id.to_owned(), Composite::read(template, id)))
                .collect(),
        }
    }

    /// What happens in the first `minutes` of `series`.
    #[must_use]
    pub fn run(&self, series: &Series, minutes: Minute) -> History {
        let alarms = self.alarms.iter();
        let mut states: BTreeMap<_, _> =
            alarms.map(|(id, alarm)| (id.clone(), alarm.states(series, minutes))).collect();
        for id in self.composites.keys() {
            self.add_composite(id, &mut states);
        }
        let mut rung = Vec::new();
        for (id, composite) in &self.composites {
            let suppressing = composite.suppressor().map(|by| states[by].as_slice());
            let own = composite.rung(&states[id], suppressing.unwrap_or_default());
            rung.extend(own.into_iter().map(|minute| (minute, id.clone())));
        }
        rung.sort();
        History { states, rung }
    }

    /// Adds the states of a composite alarm, after those of the composite alarms that it names.
    fn add_composite(&self, id: &str, states: &mut BTreeMap<String, Vec<State>>) {
        let composite = &self.composites[id];
        for child in composite.children() {
            if self.composites.contains_key(child) && !states.contains_key(child) {
                self.add_composite(child, states);
            }
        }
        let minutes = states.values().next().map_or(0, Vec::len);
        let of = |name: &str, minute: usize| {
            states.get(name).unwrap_or_else(|| panic!("{id} names {name}, which is no alarm"))
                [minute]
        };
        let own = composite.states(&of, minutes);
        states.insert(id.to_owned(), own);
    }
}

impl History {
    /// Whether an alarm was ever in ALARM.
    #[must_use]
    pub fn fired(&self, logical_id: &str) -> bool {
        self.states[logical_id].contains(&State::Alarm)
    }

    /// The alarms that were ever in ALARM.
    #[must_use]
    pub fn all_fired(&self) -> Vec<&str> {
        self.states.keys().map(String::as_str).filter(|id| self.fired(id)).collect()
    }

    /// The alarms that are in ALARM at the end.
    #[must_use]
    pub fn left(&self) -> Vec<&str> {
        let all = self.states.iter().filter(|(_, states)| states.last() == Some(&State::Alarm));
        all.map(|(id, _)| id.as_str()).collect()
    }

    /// Who was rung by, in order.
    #[must_use]
    pub fn rings(&self) -> Vec<&str> {
        self.rung.iter().map(|(_, id)| id.as_str()).collect()
    }
}
