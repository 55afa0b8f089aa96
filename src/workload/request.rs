//! A mix of requests: how many tokens they bring, how many they make, and the calls that follow from each other.
//!
//! Lengths that are distributions become a few lengths with counts; chains of calls become turns, each
//! behind what the cache holds of the turns before.

/// Most different lengths that a distribution becomes.
const MAX_LENGTHS: u64 = 8;

/// Fewest tokens that a turn brings: a turn's first pass is one over several tokens.
const MIN_NEW: u64 = 2;

/// How many tokens.
#[derive(Clone, Debug, PartialEq)]
pub enum Length {
    /// Always as many.
    Fixed(u64),
    /// Log-normal.
    LogNormal {
        /// Half of all are shorter.
        median: f64,
        /// Standard deviation of the logarithm.
        sigma: f64,
    },
    /// Lengths and their weights, shortest first.
    Values(Vec<(u64, f64)>),
}

/// Requests of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestClass {
    /// What they are called.
    pub name: String,
    /// How many of them are in the mix.
    pub count: u64,
    /// Tokens of the (first) prompt.
    pub prompt: Length,
    /// Tokens of each answer.
    pub output: Length,
    /// Tokens made before each answer; they do not stay in the context.
    pub reasoning: Length,
    /// Tokens of the first prompt that are in the prefix cache.
    pub cached: u64,
    /// Calls, each behind the one before.
    pub calls: u64,
    /// Tokens that a tool returns before each further call.
    pub tool: Length,
    /// Share of the earlier context that a further call finds in the cache.
    pub reuse: f64,
}

/// One pass over new tokens and the generation behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Tokens that are processed, at least 2.
    pub new: u64,
    /// Tokens before them whose keys and values are there already.
    pub past: u64,
    /// Tokens that are made, reasoning included, at least 1.
    pub output: u64,
    /// Equal turns.
    pub count: u64,
}

/// A mix of requests, to be served once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Requests {
    /// Kinds of requests.
    pub classes: Vec<RequestClass>,
}

impl Length {
    /// A log-normal distribution by its median and the length that nine of ten stay below.
    pub fn by_p90(median: f64, p90: f64) -> Self {
        let sigma = (p90 / median).ln() / normal_quantile(0.9);
        Self::LogNormal { median, sigma }
    }

    /// A log-normal distribution by its mean and its coefficient of variation.
    ///
    /// `sigma² = ln(1 + cv²)`, `median = mean / sqrt(1 + cv²)`.
    pub fn by_mean(mean: f64, cv: f64) -> Self {
        let spread = 1.0 + cv * cv;
        Self::LogNormal {
            median: mean / spread.sqrt(),
            sigma: spread.ln().sqrt(),
        }
    }

    /// The length that a share of all stays below, whole.
    fn quantile(&self, share: f64) -> u64 {
        match self {
            Self::Fixed(n) => *n,
            Self::LogNormal { median, sigma } => {
                (median * (sigma * normal_quantile(share)).exp()).round() as u64
            }
            Self::Values(values) => {
                let all: f64 = values.iter().map(|v| v.1).sum();
                let mut sum = 0.0;
                let found = values.iter().find(|(_, weight)| {
                    sum += weight;
                    sum >= share * all
                });
                found.or(values.last()).map_or(0, |v| v.0)
            }
        }
    }
}

impl RequestClass {
    /// The turns of all requests of the class.
    ///
    /// A distribution is cut into at most 8 parts of nearly equal counts, each standing at its middle
    /// quantile. Different lengths of a class are paired in a fixed mixed order, so that long prompts do not
    /// always come with long answers. Call `j` has `L_j = L_{j-1} + output + tool` tokens before it answers, of
    /// which `reuse · (L_{j-1} + output)` are in the cache.
    ///
    /// Source: derived.
    pub fn turns(&self) -> Vec<Turn> {
        let parts = self.count.clamp(1, MAX_LENGTHS);
        let mut turns: Vec<Turn> = Vec::new();
        for part in 0..parts {
            let (from, to) = (self.count * part / parts, self.count * (part + 1) / parts);
            let at = |length: &Length, order: u64| {
                // A stride without a common divisor with 1 to 8 parts keeps each part once.
                let part = (part * order) % parts;
                let (from, to) = (self.count * part / parts, self.count * (part + 1) / parts);
                length.quantile((from + to) as f64 / (2 * self.count.max(1)) as f64)
            };
            let (prompt, output) = (at(&self.prompt, 1), at(&self.output, 11).max(1));
            let (reasoning, tool) = (at(&self.reasoning, 13), at(&self.tool, 17));
            let mut context = prompt;
            let mut past = self.cached;
            for call in 0..self.calls.max(1) {
                if call > 0 {
                    let earlier = context.saturating_add(output);
                    past = (earlier as f64 * self.reuse).floor() as u64;
                    context = earlier.saturating_add(tool);
                }
                let past = past.min(context.saturating_sub(MIN_NEW));
                turns.push(Turn {
                    new: (context - past).max(MIN_NEW),
                    past,
                    output: output.saturating_add(reasoning),
                    count: to - from,
                });
            }
        }
        turns
    }
}

impl Requests {
    /// The turns of all classes; equal ones are one.
    pub fn turns(&self) -> Vec<Turn> {
        let mut all: Vec<Turn> = Vec::new();
        for turn in self.classes.iter().flat_map(RequestClass::turns) {
            let alike =
                |t: &&mut Turn| (t.new, t.past, t.output) == (turn.new, turn.past, turn.output);
            match all.iter_mut().find(alike) {
                Some(same) => same.count += turn.count,
                None => all.push(turn),
            }
        }
        all
    }

    /// Calls of the mix.
    pub fn calls(&self) -> u64 {
        let each = self.turns();
        let counts = each.iter().map(|t| t.count);
        counts.fold(0, u64::saturating_add)
    }

    /// Tokens of all contexts and answers of the mix; saturates.
    pub fn all_tokens(&self) -> u64 {
        let each = self.turns();
        let tokens = |t: &Turn| {
            let one = t.past.saturating_add(t.new).saturating_add(t.output);
            one.saturating_mul(t.count)
        };
        each.iter().map(tokens).fold(0, u64::saturating_add)
    }

    /// Tokens made by the mix, reasoning included.
    pub fn output_tokens(&self) -> u64 {
        self.turns().iter().map(|t| t.output * t.count).sum()
    }

    /// The longest context of the mix, prompt and output together.
    pub fn longest(&self) -> u64 {
        let each = self.turns();
        let longest = each.iter().map(|t| t.past + t.new + t.output).max();
        longest.unwrap_or(0)
    }
}

/// The value that a standard normal variable stays below with a probability.
///
/// Source: P. J. Acklam, "An algorithm for computing the inverse normal cumulative distribution function",
/// 2003: relative error below 1.2e-9.
fn normal_quantile(p: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969_683_028_665_376e1,
        2.209_460_984_245_205e2,
        -2.759_285_104_469_687e2,
        1.383_577_518_672_69e2,
        -3.066_479_806_614_716e1,
        2.506_628_277_459_239,
    ];
    const B: [f64; 5] = [
        -5.447_609_879_822_406e1,
        1.615_858_368_580_409e2,
        -1.556_989_798_598_866e2,
        6.680_131_188_771_972e1,
        -1.328_068_155_288_572e1,
    ];
    const C: [f64; 6] = [
        -7.784_894_002_430_293e-3,
        -3.223_964_580_411_365e-1,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 4] = [
        7.784_695_709_041_462e-3,
        3.224_671_290_700_398e-1,
        2.445_134_137_142_996,
        3.754_408_661_907_416,
    ];
    const LOW: f64 = 0.024_25;
    let horner = |list: &[f64], x: f64| list.iter().fold(0.0, |sum, c| sum * x + c);
    let tail = |p: f64| {
        let q = (-2.0 * p.ln()).sqrt();
        horner(&C, q) / (horner(&D, q) * q + 1.0)
    };
    let p = p.clamp(1e-300, 1.0 - 1e-16);
    if p < LOW {
        tail(p)
    } else if p > 1.0 - LOW {
        -tail(1.0 - p)
    } else {
        let q = p - 0.5;
        let r = q * q;
        horner(&A, r) * q / (horner(&B, r) * r + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chat(count: u64, prompt: Length, output: Length) -> RequestClass {
        RequestClass {
            name: "chat".to_owned(),
            count,
            prompt,
            output,
            reasoning: Length::Fixed(0),
            cached: 0,
            calls: 1,
            tool: Length::Fixed(0),
            reuse: 0.0,
        }
    }

    #[test]
    fn quantiles_equal_printed_tables() {
        // Abramowitz and Stegun, table 26.5.
        for (p, x) in [
            (0.5, 0.0),
            (0.9, 1.281_551_565_5),
            (0.99, 2.326_347_874),
            (0.01, -2.326_347_874),
        ] {
            assert!((normal_quantile(p) - x).abs() < 1e-8, "{p}");
        }
    }

    #[test]
    fn parts_sum_to_the_count_and_keep_the_median() {
        for count in [1, 3, 8, 100, 1001] {
            let class = chat(count, Length::by_p90(512.0, 2048.0), Length::Fixed(256));
            let turns = class.turns();
            assert_eq!(turns.iter().map(|t| t.count).sum::<u64>(), count);
            assert!(turns.len() <= 8);
        }
        let one = chat(1, Length::by_p90(512.0, 2048.0), Length::Fixed(256)).turns();
        assert_eq!((one[0].new, one[0].output), (512, 256));
        let values = Length::Values(vec![(128, 0.5), (1024, 0.5)]);
        let turns = chat(6, values, Length::Fixed(1)).turns();
        let news: Vec<u64> = turns.iter().map(|t| t.new).collect();
        assert_eq!(news, [128, 128, 128, 1024, 1024, 1024]);
    }

    #[test]
    fn every_part_of_a_second_length_is_used_once() {
        let lengths = (1..=8).map(|i| (10 * i, 1.0)).collect();
        let turns = chat(8, Length::by_mean(512.0, 1.0), Length::Values(lengths)).turns();
        let mut outputs: Vec<u64> = turns.iter().map(|t| t.output).collect();
        assert!(!outputs.is_sorted());
        outputs.sort_unstable();
        assert_eq!(outputs, [10, 20, 30, 40, 50, 60, 70, 80]);
    }

    #[test]
    fn calls_of_a_chain_stand_behind_what_is_cached() {
        let agent = RequestClass {
            calls: 3,
            tool: Length::Fixed(800),
            reuse: 0.95,
            reasoning: Length::Fixed(50),
            ..chat(2, Length::Fixed(1000), Length::Fixed(150))
        };
        // By hand: 1000; 1000 + 150 = 1150, of which 1092 cached, and 800 more; 1950 + 150 = 2100, 1995.
        let turn = |new, past| Turn {
            new,
            past,
            output: 200,
            count: 2,
        };
        let mix = Requests {
            classes: vec![agent],
        };
        let mut turns = mix.turns();
        turns.sort_by_key(|t| t.past);
        assert_eq!(turns, [turn(1000, 0), turn(858, 1092), turn(905, 1995)]);
        assert_eq!(mix.calls(), 6);
        assert_eq!(mix.output_tokens(), 1200);
        assert_eq!(mix.longest(), 1995 + 905 + 200);
    }
}
