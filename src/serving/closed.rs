//! Continuous batching at a fixed number of requests in flight.

use crate::units::Seconds;

/// A fixed number of equal requests; each one that ends is replaced at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Closed {
    /// Requests in flight.
    pub requests: f64,
    /// Output tokens of each.
    pub output: f64,
    /// One decode step of all of them.
    pub decode_step: Seconds,
    /// The prefill of one.
    pub prefill: Seconds,
}

/// What each request sees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Time to the first token: the own prefill, behind the decode step it rides with.
    pub ttft: Seconds,
    /// Time per output token after the first, prefills of the others included.
    pub tpot: Seconds,
    /// Prefills that ride on one decode step, in the mean.
    pub prefills_per_step: f64,
}

/// Settles the pace: each step also carries the prefills of the requests that replace finished ones.
///
/// A request stays for `output + ttft / tpot` steps, so in each step `requests` over that many begin:
///
/// `tpot = t_decode + requests · t_prefill / (output + ttft / tpot)`, `ttft = t_prefill + t_decode`
///
/// Multiplied out, `output · x² + (ttft - output · t_decode - requests · t_prefill) · x - ttft · t_decode
/// = 0`, which has one positive root. `None` if a figure is not positive and finite.
///
/// Source: derived from Little's law over steps; the residence in steps is the one by which public
/// serving measurements are defined.
pub fn closed_loop(load: &Closed) -> Option<Pace> {
    let (step, prefill) = (load.decode_step.0, load.prefill.0);
    let usable = [load.requests, load.output, step, prefill]
        .iter()
        .all(|v| v.is_finite() && *v > 0.0);
    if !usable {
        return None;
    }
    let ttft = prefill + step;
    let (a, c) = (load.output, -ttft * step);
    let b = ttft - load.output * step - load.requests * prefill;
    let root = (b * b - 4.0 * a * c).sqrt();
    // The form without cancellation for either sign of `b`.
    let tpot = if b > 0.0 {
        -2.0 * c / (b + root)
    } else {
        (root - b) / (2.0 * a)
    };
    (tpot.is_finite() && tpot > 0.0).then(|| Pace {
        ttft: Seconds(ttft),
        tpot: Seconds(tpot),
        prefills_per_step: load.requests / (load.output + ttft / tpot),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(requests: f64, output: f64, step: f64, prefill: f64) -> Pace {
        let load = Closed {
            requests,
            output,
            decode_step: Seconds(step),
            prefill: Seconds(prefill),
        };
        let pace = closed_loop(&load).expect("usable figures");
        // The fixed point, iterated independently of the closed form.
        let mut x = step;
        for _ in 0..10_000 {
            x = step + requests * prefill / (output + (prefill + step) / x);
        }
        assert!((pace.tpot.0 / x - 1.0).abs() < 1e-9, "{pace:?} against {x}");
        let carried = step + pace.prefills_per_step * prefill;
        assert!((carried / pace.tpot.0 - 1.0).abs() < 1e-9);
        pace
    }

    #[test]
    fn the_root_is_the_fixed_point() {
        check(8.0, 100.0, 0.010, 0.020);
        check(256.0, 16.0, 0.030, 0.500);
        check(1.0, 1.0, 0.010, 1.0);
        check(0.5, 4000.0, 1e-6, 1e-9);
    }

    #[test]
    fn short_prefills_do_not_slow_the_others() {
        let pace = check(1.0, 1000.0, 0.010, 1e-6);
        assert!((pace.tpot.0 / 0.010 - 1.0).abs() < 1e-4);
    }

    #[test]
    fn figures_that_are_not_positive_have_no_pace() {
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let load = Closed {
                requests: 4.0,
                output: 10.0,
                decode_step: Seconds(bad),
                prefill: Seconds(1.0),
            };
            assert_eq!(closed_loop(&load), None);
        }
    }
}
