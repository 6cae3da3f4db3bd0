//! Metric math: what an expression makes of the series that it names.
//!
//! Series are lists of points of the same times; a point can be missing. Whatever has a missing operand is missing,
//! and so is what is divided by zero; only SUM passes over what is missing, and FILL puts something there.

use super::EmptyFill;

/// One value for each time, where there is one.
pub(super) type Points = Vec<Option<f64>>;

/// A parsed expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    Number(f64),
    /// The id of a metric or of another expression.
    Id(String),
    Binary(Operator, Box<Self>, Box<Self>),
    /// The sum of a list, time by time.
    Sum(Vec<Self>),
    /// What is missing becomes the second.
    Fill(Box<Self>, Box<Self>),
    /// The second where the first is not zero, else the third.
    If(Box<Self>, Box<Self>, Box<Self>),
}

/// What stands between two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
}

/// What an expression is evaluated over.
pub(super) struct Surroundings<'a> {
    /// The points of an id.
    pub(super) points: &'a dyn Fn(&str) -> Points,
    /// How many points there are.
    pub(super) count: usize,
    /// What FILL makes of nothing at all.
    pub(super) empty_fill: EmptyFill,
}

impl Expression {
    pub(super) fn evaluate(&self, over: &Surroundings<'_>) -> Points {
        match self {
            Self::Number(number) => vec![Some(*number); over.count],
            Self::Id(id) => (over.points)(id),
            Self::Binary(operator, left, right) => {
                let both = left.evaluate(over).into_iter().zip(right.evaluate(over));
                both.map(|(left, right)| operator.apply(left?, right?)).collect()
            }
            Self::Sum(all) => {
                let all: Vec<_> = all.iter().map(|one| one.evaluate(over)).collect();
                let at = |time: usize| all.iter().filter_map(move |points| points[time]);
                let sum = |time| at(time).reduce(|sum, value| sum + value);
                (0..over.count).map(sum).collect()
            }
            Self::Fill(points, with) => {
                let points = points.evaluate(over);
                if over.empty_fill == EmptyFill::Empty && points.iter().all(Option::is_none) {
                    return points;
                }
                points
                    .into_iter()
                    .zip(with.evaluate(over))
                    .map(|(one, with)| one.or(with))
                    .collect()
            }
            Self::If(condition, then, otherwise) => {
                let choices = then.evaluate(over).into_iter().zip(otherwise.evaluate(over));
                let all = condition.evaluate(over).into_iter().zip(choices);
                all.map(
                    |(condition, (then, otherwise))| {
                        if condition? == 0.0 { otherwise } else { then }
                    },
                )
                .collect()
            }
        }
    }

    /// Every id that the expression names.
    pub(super) fn ids(&self) -> Vec<&str> {
        match self {
            Self::Number(_) => Vec::new(),
            Self::Id(id) => vec![id],
            Self::Binary(_, left, right) | Self::Fill(left, right) => {
                [left.ids(), right.ids()].concat()
            }
            Self::Sum(all) => all.iter().flat_map(Self::ids).collect(),
            Self::If(condition, then, otherwise) => {
                [condition.ids(), then.ids(), otherwise.ids()].concat()
            }
        }
    }
}

impl Operator {
    #[expect(clippy::float_cmp, reason = "it is what the expression asks for")]
    fn apply(self, left: f64, right: f64) -> Option<f64> {
        let truth = |holds: bool| Some(if holds { 1.0 } else { 0.0 });
        match self {
            Self::Or => truth(left != 0.0 || right != 0.0),
            Self::And => truth(left != 0.0 && right != 0.0),
            Self::Equal => truth(left == right),
            Self::NotEqual => truth(left != right),
            Self::Less => truth(left < right),
            Self::LessOrEqual => truth(left <= right),
            Self::Greater => truth(left > right),
            Self::GreaterOrEqual => truth(left >= right),
            Self::Add => Some(left + right),
            Self::Subtract => Some(left - right),
            Self::Multiply => Some(left * right),
            Self::Divide => (right != 0.0).then(|| left / right),
        }
    }
}
