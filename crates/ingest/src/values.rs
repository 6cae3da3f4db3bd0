//! Members of a JSON object that are no strings: lists, whole numbers, truths, and null where that means something.
//!
//! Knows nothing of keys.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::mistakes::Mistakes;
use crate::object::{Object, string};

/// Items of a list that are kept. No list of the API is longer, and one of a million must not take their place in memory.
const ITEMS_KEPT_MAX: usize = 1000;

/// The items of a list.
struct Items<'a> {
    kept: Vec<&'a RawValue>,
    count: usize,
}

impl<'de> Deserialize<'de> for Items<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Items<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Items<'de>, A::Error> {
                let mut kept = Vec::new();
                while kept.len() < ITEMS_KEPT_MAX {
                    let Some(item) = list.next_element()? else { break };
                    kept.push(item);
                }
                let mut count = kept.len();
                while kept.len() == ITEMS_KEPT_MAX && list.next_element::<IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(Items { kept, count })
            }
        }
        deserializer.deserialize_seq(Each)
    }
}

impl<'a> Object<'a> {
    /// Whether the member is there and null.
    pub(crate) fn is_null(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.get() == "null")
    }

    /// Notes the members of these names that are missing.
    pub(crate) fn require(&self, names: &[&str], mistakes: &mut Mistakes) {
        for name in names.iter().filter(|name| self.get(name).is_none()) {
            mistakes.add(self.pointer(name), "is required");
        }
    }

    /// A member that must be a whole number in this range, if it is there.
    pub(crate) fn whole(
        &self,
        name: &str,
        range: std::ops::RangeInclusive<u64>,
        mistakes: &mut Mistakes,
    ) -> Option<u64> {
        let value = self.get(name)?;
        match serde_json::from_str::<u64>(value.get()) {
            Ok(number) if range.contains(&number) => Some(number),
            Ok(_) | Err(_) => {
                let (least, most) = (range.start(), range.end());
                mistakes.add(
                    self.pointer(name),
                    format!("must be a whole number from {least} to {most}"),
                );
                None
            }
        }
    }

    /// A member that must be `true` or `false`, if it is there.
    pub(crate) fn truth(&self, name: &str, mistakes: &mut Mistakes) -> Option<bool> {
        match self.get(name)?.get() {
            "true" => Some(true),
            "false" => Some(false),
            _ => {
                mistakes.add(self.pointer(name), "must be true or false");
                None
            }
        }
    }

    /// A member that must be a list of as many things, called `what`, if it is there: the exact text of each.
    pub(crate) fn items(
        &self,
        name: &str,
        what: &str,
        lengths: std::ops::RangeInclusive<usize>,
        mistakes: &mut Mistakes,
    ) -> Option<Vec<&'a RawValue>> {
        match serde_json::from_str(self.get(name)?.get()) {
            Ok(Items { kept, count }) if lengths.contains(&count) && kept.len() == count => {
                Some(kept)
            }
            Ok(_) | Err(_) => {
                let (least, most) = (lengths.start(), lengths.end());
                let detail = format!("must be a list of {least} to {most} {what}");
                mistakes.add(self.pointer(name), detail);
                None
            }
        }
    }

    /// A member that must be a list of as many strings, each of which `parse` takes, if it is there.
    pub(crate) fn list<T>(
        &self,
        name: &str,
        lengths: std::ops::RangeInclusive<usize>,
        parse: impl Fn(&str) -> Result<T, String>,
        mistakes: &mut Mistakes,
    ) -> Option<Vec<T>> {
        let at = self.pointer(name);
        let items = self.items(name, "strings", lengths, mistakes)?;
        let mut read = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let at = format!("{at}/{index}");
            let text = string(item, || at.clone(), mistakes);
            match text.map(|text| parse(&text)) {
                Some(Ok(value)) => read.push(value),
                Some(Err(detail)) => mistakes.add(at, detail),
                None => {}
            }
        }
        (read.len() == items.len()).then_some(read)
    }
}
