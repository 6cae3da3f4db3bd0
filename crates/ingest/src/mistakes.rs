//! What is wrong with a request, field by field: gathered, so that a client sees everything at once.

use crate::codes::Code;

/// Mistakes listed in one answer. A request of a million unknown fields must not be answered with a
/// document of the same size; whoever reads fifty has enough to do.
pub const MISTAKES_LISTED_MAX: usize = 50;
/// Those listed of one message of many: a hundred times as many still fit an answer, however long their names are.
pub const MISTAKES_LISTED_OF_ITEM_MAX: usize = 10;
/// How much of a field's name is shown, in characters.
const NAME_CHARACTERS_SHOWN: usize = 128;

/// One wrong field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Which field, as a JSON pointer (RFC 6901); empty for the request as a whole.
    pub pointer: String,
    /// What is wrong with it.
    pub detail: String,
    /// The code it has when nothing worse is wrong.
    pub code: Code,
}

/// Every wrong field of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistakes {
    listed: Vec<Mistake>,
    unlisted: usize,
    listed_max: usize,
}

impl Default for Mistakes {
    fn default() -> Self {
        Self::listing(MISTAKES_LISTED_MAX)
    }
}

impl Mistakes {
    /// None so far, of which as many will be listed.
    pub const fn listing(listed_max: usize) -> Self {
        Self { listed: Vec::new(), unlisted: 0, listed_max }
    }

    /// Notes a field that does not have the form asked for.
    pub fn add(&mut self, pointer: impl Into<String>, detail: impl ToString) {
        self.add_as(Code::ValidationError, pointer, detail);
    }

    /// Notes a field that is wrong in a way that has a code of its own.
    pub fn add_as(&mut self, code: Code, pointer: impl Into<String>, detail: impl ToString) {
        if self.listed.len() < self.listed_max {
            let (pointer, detail) = (pointer.into(), detail.to_string());
            self.listed.push(Mistake { pointer, detail, code });
        } else {
            self.unlisted += 1;
        }
    }

    /// The mistakes of a request with exactly one.
    pub fn one(pointer: impl Into<String>, detail: impl ToString) -> Self {
        let mut mistakes = Self::default();
        mistakes.add(pointer, detail);
        mistakes
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// `value`, if nothing is wrong.
    ///
    /// # Errors
    /// Everything that is.
    pub fn or<T>(self, value: Option<T>) -> Result<T, Self> {
        match value {
            Some(value) if self.is_empty() => Ok(value),
            // A missing value without a mistake would be a gap in the parser: it must not pass.
            None if self.is_empty() => Err(Self::one("", "cannot be read")),
            Some(_) | None => Err(self),
        }
    }

    /// The code of the whole: a request of the wrong form is that first, whatever else it is.
    pub fn code(&self) -> Code {
        let has = |code| self.listed.iter().any(|mistake| mistake.code == code);
        [Code::ValidationError, Code::PayloadTooLarge, Code::TargetRefused]
            .into_iter()
            .find(|code| has(*code))
            .unwrap_or(Code::ValidationError)
    }

    /// The mistakes that are listed.
    pub fn listed(&self) -> &[Mistake] {
        &self.listed
    }

    /// How many more there are.
    pub const fn unlisted(&self) -> usize {
        self.unlisted
    }
}

/// The pointer to member `name` of the object at `parent` (RFC 6901). A name too long to be shown is
/// cut, and the pointer then ends in an ellipsis.
pub fn pointer(parent: &str, name: &str) -> String {
    let mut shown: String = name.chars().take(NAME_CHARACTERS_SHOWN).collect();
    shown = shown.replace('~', "~0").replace('/', "~1");
    if name.chars().nth(NAME_CHARACTERS_SHOWN).is_some() {
        shown.push('…');
    }
    format!("{parent}/{shown}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_are_escaped_and_bounded() {
        assert_eq!(pointer("/headers", "a/b~c"), "/headers/a~1b~0c");
        assert_eq!(pointer("", ""), "/");
        let long = pointer("", &"ä".repeat(1_000_000));
        assert_eq!(long.chars().count(), 1 + NAME_CHARACTERS_SHOWN + 1);
    }

    #[test]
    fn only_so_many_are_listed_and_the_rest_is_counted() {
        let mut mistakes = Mistakes::default();
        for number in 0..MISTAKES_LISTED_MAX + 7 {
            mistakes.add(format!("/{number}"), "is wrong");
        }
        assert_eq!((mistakes.listed().len(), mistakes.unlisted()), (MISTAKES_LISTED_MAX, 7));
    }

    #[test]
    fn a_wrong_form_comes_before_everything_else() {
        let mut mistakes = Mistakes::default();
        mistakes.add_as(Code::TargetRefused, "/targetUrl", "is private");
        assert_eq!(mistakes.code(), Code::TargetRefused);
        mistakes.add_as(Code::PayloadTooLarge, "/body", "is large");
        assert_eq!(mistakes.code(), Code::PayloadTooLarge);
        mistakes.add("/method", "is wrong");
        assert_eq!(mistakes.code(), Code::ValidationError);
    }
}
