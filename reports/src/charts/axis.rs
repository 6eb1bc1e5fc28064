//! Axes: how values become pixels, and which round values get a label.

use super::canvas::Point;

/// Times the 95th percentile from which on a peak is cut off, and where the axis ends then.
const FAR_ABOVE: f64 = 5.0;
const CLIPPED_AT: f64 = 3.0;

/// A value axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scale {
    /// From zero to `max`.
    Linear {
        /// Upper end.
        max: f64,
    },
    /// From `min` to `max`, both powers of ten.
    Log {
        /// Lower end.
        min: f64,
        /// Upper end.
        max: f64,
    },
}

impl Scale {
    /// Linear from zero to a round number at or above `top`.
    pub(crate) fn linear(top: f64) -> Self {
        let step = step_for(top, 4);
        Self::Linear { max: (libm::ceil(top / step).max(1.0)) * step }
    }

    /// Linear to where nearly all values lie, when a few are so far above that they would flatten the rest;
    /// those are drawn at the upper end. Otherwise like [`Self::linear`].
    pub(crate) fn clipped(values: impl Iterator<Item = f64>) -> Self {
        let mut positive: Vec<f64> = values.filter(|value| *value > 0.0).collect();
        positive.sort_by(f64::total_cmp);
        let Some(top) = positive.last().copied() else { return Self::linear(0.0) };
        let usual = positive[(positive.len() - 1) * 95 / 100];
        Self::linear(if top > FAR_ABOVE * usual { CLIPPED_AT * usual } else { top })
    }

    /// Decades that hold all positive values; one decade when there are none.
    pub(crate) fn log(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = values
            .filter(|value| *value > 0.0)
            .fold((f64::MAX, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
        if high == 0.0 {
            return Self::Log { min: 1.0, max: 10.0 };
        }
        let min = libm::exp10(libm::floor(libm::log10(low)));
        let max = libm::exp10(libm::ceil(libm::log10(high)));
        Self::Log { min, max: if max > min { max } else { min * 10.0 } }
    }

    /// Upper end.
    pub(crate) const fn top(self) -> f64 {
        match self {
            Self::Linear { max } | Self::Log { max, .. } => max,
        }
    }

    /// Share of the axis below `value`, 0 to 1.
    pub(crate) fn share(self, value: f64) -> f64 {
        match self {
            Self::Linear { max } => value / max,
            Self::Log { min, max } => libm::log10(value.max(min) / min) / libm::log10(max / min),
        }
        .clamp(0.0, 1.0)
    }

    /// Values with a grid line and a label.
    pub(crate) fn ticks(self) -> Vec<f64> {
        match self {
            Self::Linear { max } => {
                let step = step_for(max, 4);
                let mut ticks = Vec::new();
                let mut count = 0.0;
                while count * step <= max * 1.000_001 {
                    ticks.push(count * step);
                    count += 1.0;
                }
                ticks
            }
            Self::Log { min, max } => {
                let decades = libm::round(libm::log10(max / min));
                let mut ticks = Vec::new();
                let mut decade = 0.0;
                while decade <= decades {
                    ticks.push(min * libm::exp10(decade));
                    decade += 1.0;
                }
                ticks
            }
        }
    }
}

/// 1, 2 or 5 times a power of ten, so that about `count` steps reach `top`.
fn step_for(top: f64, count: u32) -> f64 {
    if !(top > 0.0 && top.is_finite()) {
        return 1.0;
    }
    let raw = top / f64::from(count);
    let power = libm::exp10(libm::floor(libm::log10(raw)));
    let lead = [1.0, 2.0, 2.5, 5.0, 10.0];
    power * lead.into_iter().find(|lead| lead * power >= raw * 0.999_999).unwrap_or(10.0)
}

/// A tick's label without needless decimals.
pub(crate) fn label(value: f64) -> String {
    let text =
        if value >= 1000.0 { crate::text::grouped(to_u64(value)) } else { format!("{value:.3}") };
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "labels are positive and rounded on purpose"
)]
fn to_u64(value: f64) -> u64 {
    libm::round(value) as u64
}

#[expect(clippy::cast_possible_truncation, reason = "pixels fit an i32 by far")]
pub(crate) fn pixel(value: f64) -> i32 {
    libm::round(value) as i32
}

/// The rectangle that data is drawn in, pixels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    pub(crate) left: i32,
    pub(crate) top: i32,
    pub(crate) right: i32,
    pub(crate) bottom: i32,
}

impl Frame {
    /// Column at a share of the width.
    pub(crate) fn x(&self, share: f64) -> i32 {
        self.left + pixel(share.clamp(0.0, 1.0) * f64::from(self.right - self.left))
    }

    /// Row of a value.
    pub(crate) fn y(&self, scale: Scale, value: f64) -> i32 {
        self.bottom - pixel(scale.share(value) * f64::from(self.bottom - self.top))
    }

    /// Point at a share of the width and a value.
    pub(crate) fn point(&self, share: f64, scale: Scale, value: f64) -> Point {
        (self.x(share), self.y(scale, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linear_ticks_are_round_and_reach_the_top() {
        assert_eq!(Scale::linear(61.0).ticks(), [0.0, 20.0, 40.0, 60.0, 80.0]);
        assert_eq!(Scale::linear(100.0).ticks(), [0.0, 25.0, 50.0, 75.0, 100.0]);
        assert_eq!(Scale::linear(0.0).ticks(), [0.0, 0.25, 0.5, 0.75, 1.0]);
    }

    #[test]
    fn a_few_peaks_do_not_flatten_the_rest() {
        let of = |peaks: usize, peak: f64| {
            let usual = std::iter::repeat_n(20.0, 100 - peaks);
            Scale::clipped(usual.chain(std::iter::repeat_n(peak, peaks)))
        };
        assert_eq!(of(3, 2_000.0), Scale::Linear { max: 60.0 });
        assert_eq!(of(3, 99.0), Scale::Linear { max: 100.0 }, "not so far above");
        assert_eq!(of(30, 2_000.0), Scale::Linear { max: 2_000.0 }, "no exception");
        assert_eq!(Scale::clipped([0.0].into_iter()), Scale::linear(0.0));
    }

    #[test]
    fn log_ticks_are_the_decades_around_the_values() {
        let scale = Scale::log([0.0, 3.0, 9_690.0].into_iter());
        assert_eq!(scale.ticks(), [1.0, 10.0, 100.0, 1_000.0, 10_000.0]);
        assert!((scale.share(100.0) - 0.5).abs() < 1e-9);
        assert_eq!(Scale::log(std::iter::empty()).ticks(), [1.0, 10.0]);
    }

    #[test]
    fn labels_are_short() {
        assert_eq!([0.0, 2.5, 0.01, 1_000.0].map(label), ["0", "2.5", "0.01", "1,000"]);
    }

    #[test]
    fn a_frame_grows_upwards() {
        let frame = Frame { left: 100, top: 50, right: 300, bottom: 250 };
        let scale = Scale::Linear { max: 10.0 };
        assert_eq!(frame.point(0.5, scale, 10.0), (200, 50));
        assert_eq!(frame.point(2.0, scale, 0.0), (300, 250), "outside is drawn at the edge");
    }
}
