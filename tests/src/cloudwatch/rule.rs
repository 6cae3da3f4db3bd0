//! The rule of a composite alarm: `ALARM("name")`, joined by OR and AND, turned around by NOT.

/// A parsed rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rule {
    /// The alarm of this name is in ALARM.
    Alarm(String),
    Not(Box<Self>),
    And(Vec<Self>),
    Or(Vec<Self>),
}

impl Rule {
    pub(super) fn parse(text: &str) -> Self {
        let mut rest = text;
        let rule = or(&mut rest);
        assert!(rest.trim().is_empty(), "{text:?}: {rest:?} is not known");
        rule
    }

    /// Whether the rule holds, given which alarms are in ALARM.
    pub(super) fn holds(&self, is_in_alarm: &dyn Fn(&str) -> bool) -> bool {
        match self {
            Self::Alarm(name) => is_in_alarm(name),
            Self::Not(rule) => !rule.holds(is_in_alarm),
            Self::And(all) => all.iter().all(|rule| rule.holds(is_in_alarm)),
            Self::Or(all) => all.iter().any(|rule| rule.holds(is_in_alarm)),
        }
    }

    /// Every alarm that the rule names.
    pub(super) fn names(&self) -> Vec<&str> {
        match self {
            Self::Alarm(name) => vec![name],
            Self::Not(rule) => rule.names(),
            Self::And(all) | Self::Or(all) => all.iter().flat_map(Self::names).collect(),
        }
    }
}

/// Whether `token` is next, which is then behind.
fn takes(rest: &mut &str, token: &str) -> bool {
    let Some(after) = rest.trim_start().strip_prefix(token) else { return false };
    *rest = after;
    true
}

fn or(rest: &mut &str) -> Rule {
    let mut all = vec![and(rest)];
    while takes(rest, "OR") {
        all.push(and(rest));
    }
    if all.len() == 1 { all.remove(0) } else { Rule::Or(all) }
}

fn and(rest: &mut &str) -> Rule {
    let mut all = vec![one(rest)];
    while takes(rest, "AND") {
        all.push(one(rest));
    }
    if all.len() == 1 { all.remove(0) } else { Rule::And(all) }
}

fn one(rest: &mut &str) -> Rule {
    if takes(rest, "NOT") {
        return Rule::Not(Box::new(one(rest)));
    }
    if takes(rest, "(") {
        let inner = or(rest);
        assert!(takes(rest, ")"), "a parenthesis is not closed at {rest:?}");
        return inner;
    }
    assert!(takes(rest, "ALARM(\""), "ALARM(\"name\") is expected at {rest:?}");
    let (name, after) = rest.split_once("\")").expect("a name ends with a quote and a parenthesis");
    *rest = after;
    Rule::Alarm(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(rule: &str, ringing: &[&str]) -> bool {
        Rule::parse(rule).holds(&|name| ringing.contains(&name))
    }

    #[test]
    fn and_binds_more_than_or() {
        let rule = r#"ALARM("a") OR ALARM("b") AND NOT ALARM("c")"#;
        assert!(holds(rule, &["a", "c"]) && holds(rule, &["b"]));
        assert!(!holds(rule, &["b", "c"]) && !holds(rule, &[]));
        assert!(!holds(r#"(ALARM("a") OR ALARM("b")) AND NOT ALARM("c")"#, &["a", "c"]));
        assert_eq!(Rule::parse(rule).names(), ["a", "b", "c"]);
    }

    #[test]
    #[should_panic(expected = "is expected at")]
    fn what_is_not_known_is_refused() {
        let _ = Rule::parse(r#"INSUFFICIENT_DATA("a")"#);
    }
}
