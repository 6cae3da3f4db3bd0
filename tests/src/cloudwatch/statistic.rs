//! Statistics of the values of one period.

/// How the values of a period become one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Statistic {
    /// All of them added up.
    Sum,
    /// Their mean.
    Average,
    /// The smallest.
    Minimum,
    /// The largest.
    Maximum,
    /// How many there are.
    SampleCount,
    /// The value that this share of them, in percent, does not exceed.
    Percentile(f64),
}

impl Statistic {
    /// A statistic by the name that templates and dashboards use.
    #[must_use]
    pub fn parse(name: &str) -> Self {
        match name {
            "Sum" => Self::Sum,
            "Average" => Self::Average,
            "Minimum" => Self::Minimum,
            "Maximum" => Self::Maximum,
            "SampleCount" => Self::SampleCount,
            other => {
                let percent = other.strip_prefix('p').and_then(|percent| percent.parse().ok());
                Self::Percentile(percent.unwrap_or_else(|| panic!("unknown statistic {other}")))
            }
        }
    }

    /// The statistic of these values; nothing of none. A percentile is that of the nearest rank, where `CloudWatch`
    /// may take a value in between.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "there are never so many values, and a rank lies among them"
    )]
    pub fn of(self, mut values: Vec<f64>) -> Option<f64> {
        let count = values.len() as f64;
        if values.is_empty() {
            return None;
        }
        Some(match self {
            Self::Sum => values.iter().sum(),
            Self::Average => values.iter().sum::<f64>() / count,
            Self::Minimum => values.into_iter().fold(f64::INFINITY, f64::min),
            Self::Maximum => values.into_iter().fold(f64::NEG_INFINITY, f64::max),
            Self::SampleCount => count,
            Self::Percentile(percent) => {
                let rank = (percent / 100.0 * count).ceil().max(1.0) as usize;
                *values.select_nth_unstable_by(rank - 1, f64::total_cmp).1
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_statistic_is_what_its_name_says() {
        let of = |name: &str| Statistic::parse(name).of(vec![4.0, 1.0, 3.0, 2.0]);
        let names = ["Sum", "Average", "Minimum", "Maximum", "SampleCount", "p50", "p99"];
        let all = names.map(|name| of(name).expect("there are values"));
        assert_eq!(all, [10.0, 2.5, 1.0, 4.0, 4.0, 2.0, 4.0]);
        assert_eq!(Statistic::Sum.of(Vec::new()), None);
    }

    #[test]
    #[should_panic(expected = "unknown statistic IQM")]
    fn an_unknown_statistic_is_refused() {
        let _ = Statistic::parse("IQM");
    }
}
