//! The figures of a design point over the workload mix.

use crate::simulate::{Metric, Summary};

const N: usize = Metric::ALL.len();

/// One value per metric, in SI units; not a number if it is not known or does not apply.
#[derive(Clone, Copy, Debug)]
pub struct Row([f64; N]);

impl Default for Row {
    fn default() -> Self {
        Self([f64::NAN; N])
    }
}

impl PartialEq for Row {
    fn eq(&self, other: &Self) -> bool {
        let bits = |row: &Self| row.0.map(|v| if v.is_nan() { None } else { Some(v) });
        bits(self) == bits(other)
    }
}

/// What a point answers: the mean over the mix, the worst workload, and each workload.
///
/// Weights are shares of runs. Latency and energy are means over runs; power, rates and utilization follow
/// from them (mean energy over mean latency, samples over latency, time-weighted utilization). Of peak
/// power, area and memory the largest counts. Figures of a generation are those of the workloads that
/// generate.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// Mean and worst of several workloads.
    mix: Option<Box<[Row; 2]>>,
    /// In the order of the plan.
    pub jobs: Box<[Row]>,
}

impl Row {
    /// Every metric of a summary.
    pub fn of(summary: &Summary) -> Self {
        Self::from(|m| m.of_summary(summary))
    }

    fn from(of: impl Fn(Metric) -> Option<f64>) -> Self {
        Self(Metric::ALL.map(|m| of(m).unwrap_or(f64::NAN)))
    }

    /// All values, in the order of [`Metric::ALL`].
    pub fn values(&self) -> impl Iterator<Item = Option<f64>> {
        Metric::ALL.into_iter().map(|m| self.get(m))
    }

    /// The row of these values; `None` if there are more or fewer than metrics.
    pub fn from_values(values: &[Option<f64>]) -> Option<Self> {
        let known: [Option<f64>; N] = values.try_into().ok()?;
        Some(Self(known.map(|v| v.unwrap_or(f64::NAN))))
    }

    /// The value of a metric.
    pub fn get(&self, metric: Metric) -> Option<f64> {
        Some(self.0[metric as usize]).filter(|v| !v.is_nan())
    }
}

impl Figures {
    /// Over jobs with weights that add up to 1.
    pub fn new(jobs: Vec<Row>, weights: &[f64]) -> Self {
        let mix = || {
            let mean = Row::from(|m| mean(m, &jobs, weights));
            Box::new([mean, Row::from(|m| worst(m, &jobs))])
        };
        Self {
            mix: (jobs.len() > 1).then(mix),
            jobs: jobs.into_boxed_slice(),
        }
    }

    /// Over the mix.
    pub fn mean(&self, metric: Metric) -> Option<f64> {
        self.row(0)?.get(metric)
    }

    /// Of the mix, or that of the only workload.
    fn row(&self, of: usize) -> Option<&Row> {
        match &self.mix {
            Some(rows) => Some(&rows[of]),
            None => self.jobs.first(),
        }
    }

    /// Of the workload that does worst.
    pub fn worst(&self, metric: Metric) -> Option<f64> {
        self.row(1)?.get(metric)
    }
}

/// Jobs that a metric is about: all of them, or those that generate.
fn concerned(metric: Metric, jobs: &[Row]) -> impl Iterator<Item = (usize, &Row)> {
    let generates = |row: &Row| row.get(Metric::Throughput).is_some();
    let all = jobs.iter().enumerate();
    all.filter(move |(_, row)| !metric.is_of_generation() || generates(row))
}

fn worst(metric: Metric, jobs: &[Row]) -> Option<f64> {
    let mut worst: Option<f64> = None;
    for (_, row) in concerned(metric, jobs) {
        let value = row.get(metric)?;
        let next = worst.map_or(value, |w| {
            if metric.is_maximized() {
                w.min(value)
            } else {
                w.max(value)
            }
        });
        worst = Some(next);
    }
    worst
}

fn mean(metric: Metric, jobs: &[Row], weights: &[f64]) -> Option<f64> {
    let sum = |of: &dyn Fn(&Row) -> Option<f64>| -> Option<f64> {
        let each = concerned(metric, jobs).map(|(i, row)| Some(weights[i] * of(row)?));
        each.sum()
    };
    let total = |m: Metric| sum(&move |row: &Row| row.get(m));
    let per_latency =
        |m: Metric| sum(&move |row: &Row| Some(row.get(m)? * row.get(Metric::Latency)?));
    let ratio = |a: Option<f64>, b: Option<f64>| Some(a? / b?).filter(|v| v.is_finite());
    concerned(metric, jobs).next()?;
    match metric {
        Metric::Latency | Metric::Energy => total(metric),
        Metric::Ttft | Metric::Tpot => ratio(total(metric), sum(&|_| Some(1.0))),
        Metric::Throughput | Metric::SampleRate | Metric::Utilization => {
            ratio(per_latency(metric), total(Metric::Latency))
        }
        Metric::EnergyPerToken => ratio(total(Metric::Energy), per_latency(Metric::Throughput)),
        Metric::EnergyPerSample => ratio(total(Metric::Energy), per_latency(Metric::SampleRate)),
        Metric::Power => ratio(total(Metric::Energy), total(Metric::Latency)),
        Metric::PeakPower | Metric::Area | Metric::Memory => worst(metric, jobs),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(values: &[(Metric, f64)]) -> Row {
        let mut row = Row::default();
        for (metric, value) in values {
            row.0[*metric as usize] = *value;
        }
        row
    }

    #[test]
    fn metrics_stand_in_their_order() {
        for (i, metric) in Metric::ALL.iter().enumerate() {
            assert_eq!(*metric as usize, i);
        }
    }

    #[test]
    fn a_mix_of_runs_has_the_power_of_its_energy_and_time() {
        use Metric::{Energy, Latency, Power, SampleRate, Ttft, Utilization};
        let a = row(&[
            (Latency, 1.0),
            (Energy, 4.0),
            (Power, 4.0),
            (SampleRate, 2.0),
            (Utilization, 0.5),
        ]);
        let b = row(&[
            (Latency, 3.0),
            (Energy, 2.0),
            (Power, 2.0 / 3.0),
            (SampleRate, 1.0),
            (Utilization, 0.1),
        ]);
        let mix = Figures::new(vec![a, b], &[0.75, 0.25]);
        // By hand: 0.75·1 + 0.25·3 = 1.5 s; 0.75·4 + 0.25·2 = 3.5 J; (0.75·2 + 0.25·3) ÷ 1.5 = 1.5 /s;
        // (0.75·1·0.5 + 0.25·3·0.1) ÷ 1.5 = 0.3.
        assert_eq!(mix.mean(Latency), Some(1.5));
        assert_eq!(mix.mean(Energy), Some(3.5));
        assert_eq!(mix.mean(Power), Some(3.5 / 1.5));
        assert_eq!(mix.mean(SampleRate), Some(1.5));
        assert!((mix.mean(Utilization).expect("known") - 0.3).abs() < 1e-12);
        assert_eq!(mix.mean(Ttft), None);
        assert_eq!(
            (mix.worst(Latency), mix.worst(SampleRate)),
            (Some(3.0), Some(1.0))
        );
        let unknown = Figures::new(vec![a, row(&[(Latency, 3.0)])], &[0.5, 0.5]);
        assert_eq!((unknown.mean(Energy), unknown.worst(Energy)), (None, None));
    }
}
