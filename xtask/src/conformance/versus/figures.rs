//! What is measured, and what is made of several rounds.

/// What a producer reports of its steady state.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Produced {
    pub(super) records_per_sec: f64,
    pub(super) mib_per_sec: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) p999_ms: f64,
}

/// What a broker did in a case.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Measured {
    pub(super) fastest: Produced,
    pub(super) paced: Produced,
    pub(super) read_mib_per_sec: f64,
    /// CPU time of the broker, s: fastest filling, reading, filling at the fixed rate.
    pub(super) cpu: [f64; 3],
}

/// A broker's figures.
#[derive(Debug, Default)]
pub(super) struct Broker {
    pub(super) name: String,
    /// Of each case, a round after the other.
    pub(super) cases: Vec<Vec<Measured>>,
    /// Resident memory at the end and at its highest, MiB.
    pub(super) rss_mib: f64,
    pub(super) peak_mib: f64,
}

impl Broker {
    pub(super) fn new(name: &str, cases: usize) -> Self {
        Self { name: name.to_owned(), cases: vec![Vec::new(); cases], ..Self::default() }
    }

    /// A figure of a case over the rounds.
    pub(super) fn spread(&self, case: usize, of: impl Fn(&Measured) -> f64) -> Spread {
        Spread::of(self.cases[case].iter().map(of).collect())
    }
}

/// A figure that was measured several times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    pub(super) min: f64,
    pub(super) median: f64,
    pub(super) max: f64,
}

impl Spread {
    /// Of at least one value.
    fn of(mut values: Vec<f64>) -> Self {
        assert!(!values.is_empty(), "every case has a round");
        values.sort_by(f64::total_cmp);
        let (half, last) = (values.len() / 2, values.len() - 1);
        let median = match values.len() % 2 {
            1 => values[half],
            _ => f64::midpoint(values[half - 1], values[half]),
        };
        Self { min: values[0], median, max: values[last] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let spread = Spread::of(vec![9.0, 1.0, 4.0]);
        assert_eq!(spread, Spread { min: 1.0, median: 4.0, max: 9.0 });
        assert_eq!(Spread::of(vec![3.0, 1.0, 9.0, 4.0]).median, 3.5);
        assert_eq!(Spread::of(vec![7.0]), Spread { min: 7.0, median: 7.0, max: 7.0 });
    }

    #[test]
    fn a_figure_is_taken_over_the_rounds_of_its_case() {
        let mut broker = Broker::new("any", 2);
        for read_mib_per_sec in [5.0, 70.0, 6.0] {
            broker.cases[1].push(Measured { read_mib_per_sec, ..Measured::default() });
        }
        assert_eq!(broker.spread(1, |it| it.read_mib_per_sec).median, 6.0);
    }
}
