//! Reads metric math: numbers, ids, lists, `+ - * /`, comparisons, AND, OR, and the functions SUM, FILL and IF.
//! Everything else is refused.

use super::expression::{Expression, Operator};

/// The operators from those that bind least to those that bind most; of two that begin alike the longer first.
const LEVELS: [&[(&str, Operator)]; 5] = [
    &[("OR", Operator::Or), ("||", Operator::Or)],
    &[("AND", Operator::And), ("&&", Operator::And)],
    &[
        ("==", Operator::Equal),
        ("!=", Operator::NotEqual),
        ("<=", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("<", Operator::Less),
        (">", Operator::Greater),
    ],
    &[("+", Operator::Add), ("-", Operator::Subtract)],
    &[("*", Operator::Multiply), ("/", Operator::Divide)],
];

struct Reader<'a> {
    whole: &'a str,
    rest: &'a str,
}

impl Expression {
    /// Reads an expression.
    pub(super) fn parse(text: &str) -> Self {
        let mut reader = Reader { whole: text, rest: text };
        let expression = reader.level(0);
        if !reader.rest.trim_start().is_empty() {
            reader.refuse("the end");
        }
        expression
    }
}

impl Reader<'_> {
    fn refuse(&self, wanted: &str) -> ! {
        panic!("{:?}: {wanted} is expected at {:?}", self.whole, self.rest)
    }

    /// Whether `token` is next, which is then behind. A word counts only as a whole one.
    fn takes(&mut self, token: &str) -> bool {
        let Some(rest) = self.rest.trim_start().strip_prefix(token) else { return false };
        let is_word = token.starts_with(|first: char| first.is_ascii_alphabetic());
        if is_word && rest.starts_with(|next: char| next.is_ascii_alphanumeric() || next == '_') {
            return false;
        }
        self.rest = rest;
        true
    }

    fn expect(&mut self, token: &str) {
        if !self.takes(token) {
            self.refuse(token);
        }
    }

    fn level(&mut self, level: usize) -> Expression {
        let Some(operators) = LEVELS.get(level) else { return self.operand() };
        let mut left = self.level(level + 1);
        while let Some((_, operator)) = operators.iter().find(|(token, _)| self.takes(token)) {
            let right = self.level(level + 1);
            left = Expression::Binary(*operator, Box::new(left), Box::new(right));
        }
        left
    }

    fn operand(&mut self) -> Expression {
        if self.takes("(") {
            let inner = self.level(0);
            self.expect(")");
            return inner;
        }
        let start = self.rest.trim_start();
        let belongs = |next: char| next.is_ascii_alphanumeric() || next == '_' || next == '.';
        let (word, rest) = start.split_at(start.find(|next| !belongs(next)).unwrap_or(start.len()));
        let Some(first) = word.chars().next() else { self.refuse("an operand") };
        if first.is_ascii_uppercase() {
            return self.call();
        }
        self.rest = rest;
        if first.is_ascii_lowercase() {
            return Expression::Id(word.to_owned());
        }
        let number = word.parse().unwrap_or_else(|_| panic!("{:?}: no number: {word}", self.whole));
        Expression::Number(number)
    }

    fn call(&mut self) -> Expression {
        if self.takes("SUM") {
            self.expect("(");
            self.expect("[");
            let all = self.list("]");
            self.expect(")");
            return Expression::Sum(all);
        }
        let is_fill = self.takes("FILL");
        if !is_fill && !self.takes("IF") {
            self.refuse("SUM, FILL or IF");
        }
        self.expect("(");
        let mut given = self.list(")").into_iter().map(Box::new);
        match (is_fill, given.next(), given.next(), given.next(), given.next()) {
            (true, Some(points), Some(with), None, None) => Expression::Fill(points, with),
            (false, Some(condition), Some(then), Some(otherwise), None) => {
                Expression::If(condition, then, otherwise)
            }
            _ => self.refuse("FILL of two or IF of three"),
        }
    }

    fn list(&mut self, end: &str) -> Vec<Expression> {
        let mut all = vec![self.level(0)];
        while self.takes(",") {
            all.push(self.level(0));
        }
        self.expect(end);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::super::EmptyFill;
    use super::super::expression::{Points, Surroundings};
    use super::*;

    fn evaluate(text: &str, empty_fill: EmptyFill) -> Points {
        let points = |id: &str| match id {
            "a" => vec![Some(6.0), Some(0.0), None],
            "b" => vec![Some(3.0), Some(0.0), Some(5.0)],
            "empty" => vec![None; 3],
            other => panic!("no {other}"),
        };
        let over = Surroundings { points: &points, count: 3, empty_fill };
        Expression::parse(text).evaluate(&over)
    }

    fn of(text: &str) -> Points {
        evaluate(text, EmptyFill::Filled)
    }

    #[test]
    fn what_binds_more_comes_first() {
        assert_eq!(of("100 - 2 * a / b - 1"), [Some(95.0), None, None]);
        assert_eq!(of("(a + 2) * 2 >= 16 AND b == 3 OR b > 4"), [Some(1.0), Some(0.0), None]);
        assert_eq!(of("a - 1 - 1"), [Some(4.0), Some(-2.0), None]);
        assert_eq!(of("a != 6 || b <= 2 && b < 1"), [Some(0.0), Some(1.0), None]);
    }

    #[test]
    fn what_is_missing_stays_missing_but_in_a_sum_and_where_it_is_filled() {
        assert_eq!(of("a + b"), [Some(9.0), Some(0.0), None]);
        assert_eq!(of("SUM([a, b, empty])"), [Some(9.0), Some(0.0), Some(5.0)]);
        assert_eq!(of("SUM([empty])"), [None; 3]);
        assert_eq!(of("FILL(a, 7)"), [Some(6.0), Some(0.0), Some(7.0)]);
        assert_eq!(of("IF(a > 1, b, 9)"), [Some(3.0), Some(9.0), None]);
    }

    #[test]
    fn of_nothing_at_all_fill_makes_either() {
        assert_eq!(evaluate("FILL(empty, 1)", EmptyFill::Filled), [Some(1.0); 3]);
        assert_eq!(evaluate("FILL(empty, 1)", EmptyFill::Empty), [None; 3]);
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for text in
            ["RATE(a)", "a +", "a b", "a ^ 2", "SUM(a)", "IF(a, b)", "FILL(a, 1, 2)", "1.2.3"]
        {
            let read = std::panic::catch_unwind(|| Expression::parse(text));
            assert!(read.is_err(), "{text} is read as {read:?}");
        }
    }
}
