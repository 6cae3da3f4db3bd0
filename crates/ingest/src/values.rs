//! Members of a JSON object that are no strings: lists, whole numbers, truths, and null where that means something.
//!
//! Knows nothing of keys.

use serde_json::value::RawValue;

use crate::mistakes::Mistakes;
use crate::object::{Object, string};

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

    /// A member that must be a list of as many strings, each of which `parse` takes, if it is there.
    pub(crate) fn list<T>(
        &self,
        name: &str,
        lengths: std::ops::RangeInclusive<usize>,
        parse: impl Fn(&str) -> Result<T, String>,
        mistakes: &mut Mistakes,
    ) -> Option<Vec<T>> {
        let at = self.pointer(name);
        let items: Vec<&RawValue> =
            match serde_json::from_str::<Vec<&'a RawValue>>(self.get(name)?.get()) {
                Ok(items) if lengths.contains(&items.len()) => items,
                Ok(_) | Err(_) => {
                    let (least, most) = (lengths.start(), lengths.end());
                    mistakes.add(at, format!("must be a list of {least} to {most} strings"));
                    return None;
                }
            };
        let mut read = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let at = format!("{at}/{index}");
            let text = string(item, &at, mistakes);
            match text.map(|text| parse(&text)) {
                Some(Ok(value)) => read.push(value),
                Some(Err(detail)) => mistakes.add(at, detail),
                None => {}
            }
        }
        (read.len() == items.len()).then_some(read)
    }
}
