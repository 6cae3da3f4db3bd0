//! Reads the properties of one resource and refuses, by name, those that nobody asked for.
//!
//! It knows no resource: each reader beside it says what it takes and what it knowingly leaves.

use serde_json::{Map, Value as Json};

use super::evaluate::text_of;
use super::mistake::Mistakes;

/// The evaluated properties of one resource, taken out one by one.
pub(super) struct Properties<'m> {
    path: String,
    rest: Map<String, Json>,
    mistakes: &'m mut Mistakes,
}

impl<'m> Properties<'m> {
    /// Starts reading `value`, which must be a map.
    pub(super) fn new(path: &str, value: Option<Json>, mistakes: &'m mut Mistakes) -> Self {
        let rest = match value {
            Some(Json::Object(rest)) => rest,
            Some(Json::Null) | None => Map::new(),
            Some(_) => {
                mistakes.add(path, "is not a map");
                Map::new()
            }
        };
        Self { path: path.to_owned(), rest, mistakes }
    }

    /// Where the property stands in the template.
    pub(super) fn path_of(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }

    /// Reports a mistake at a property.
    pub(super) fn refuse(&mut self, key: &str, problem: impl Into<String>) {
        let path = self.path_of(key);
        self.mistakes.add(&path, problem);
    }

    /// Takes a property of any form.
    pub(super) fn take(&mut self, key: &str) -> Option<Json> {
        self.rest.remove(key)
    }

    /// Takes a property that is a map itself, if it is there.
    pub(super) fn nested(&mut self, key: &str) -> Option<Properties<'_>> {
        let value = self.take(key)?;
        let path = self.path_of(key);
        Some(Properties::new(&path, Some(value), self.mistakes))
    }

    /// Takes a text.
    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        let value = self.take(key)?;
        let text = text_of(&value);
        if text.is_none() {
            self.refuse(key, "is not a text");
        }
        text
    }

    /// Takes a text that must be there; the empty text stands in for one that is not.
    pub(super) fn required_text(&mut self, key: &str) -> String {
        if !self.rest.contains_key(key) {
            self.refuse(key, "is missing");
        }
        self.text(key).unwrap_or_default()
    }

    /// Takes a whole number, written as a number or as a text.
    pub(super) fn number<T: std::str::FromStr>(&mut self, key: &str) -> Option<T> {
        let text = self.text(key)?;
        let number = text.parse().ok();
        if number.is_none() {
            self.refuse(key, format!("is `{text}`, not a whole number in range"));
        }
        number
    }

    /// Takes `true` or `false`.
    pub(super) fn flag(&mut self, key: &str) -> Option<bool> {
        let text = self.text(key)?;
        let flag = text.parse().ok();
        if flag.is_none() {
            self.refuse(key, format!("is `{text}`, neither true nor false"));
        }
        flag
    }

    /// Takes a list of texts; a single text is a list of one.
    pub(super) fn texts(&mut self, key: &str) -> Vec<String> {
        let Some(value) = self.take(key) else { return Vec::new() };
        let texts: Option<Vec<String>> = match &value {
            Json::Array(items) => items.iter().map(text_of).collect(),
            other => text_of(other).map(|text| vec![text]),
        };
        if texts.is_none() {
            self.refuse(key, "is not a list of texts");
        }
        texts.unwrap_or_default()
    }

    /// Takes a list of maps and reads each of them.
    pub(super) fn each(&mut self, key: &str, mut read: impl FnMut(Properties<'_>)) {
        match self.take(key) {
            Some(Json::Array(items)) => {
                for (index, item) in items.into_iter().enumerate() {
                    let path = format!("{}[{index}]", self.path_of(key));
                    read(Properties::new(&path, Some(item), self.mistakes));
                }
            }
            Some(_) => self.refuse(key, "is not a list"),
            None => {}
        }
    }

    /// Takes a map of maps and reads each of them with its key.
    pub(super) fn each_named(&mut self, key: &str, mut read: impl FnMut(&str, Properties<'_>)) {
        match self.take(key) {
            Some(Json::Object(entries)) => {
                for (name, entry) in entries {
                    let path = format!("{}.{name}", self.path_of(key));
                    read(&name, Properties::new(&path, Some(entry), self.mistakes));
                }
            }
            Some(_) => self.refuse(key, "is not a map"),
            None => {}
        }
    }

    /// Leaves properties that change nothing on one machine.
    pub(super) fn not_simulated(&mut self, keys: &[&str]) {
        for key in keys {
            self.rest.remove(*key);
        }
    }

    /// Refuses whatever is left.
    pub(super) fn finish(self) {
        for key in self.rest.keys() {
            self.mistakes.add(&format!("{}.{key}", self.path), "is not known to the local stack");
        }
    }
}
