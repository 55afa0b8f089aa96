//! Interpolation of published points between process nodes.

use crate::units::Meters;

/// Relative logic area of nodes, 7 nm = 1.
///
/// Source: Stillmaker and Baas, "Scaling equations for the accurate prediction of CMOS device
/// performance from 180 nm to 7 nm", Integration 58 (2017), area table; 5 and 3 nm: TSMC's stated
/// logic density gains N7 to N5 1.84x and N5 to N3E 1.6x.
const AREA: &[(f64, f64)] = &[
    (130.0, 110.0),
    (90.0, 48.0),
    (65.0, 25.0),
    (45.0, 17.0),
    (32.0, 7.8),
    (20.0, 3.6),
    (16.0, 3.2),
    (14.0, 2.9),
    (10.0, 1.7),
    (7.0, 1.0),
    (5.0, 1.0 / 1.84),
    (3.0, 1.0 / 1.84 / 1.6),
];

/// Dynamic energy below 7 nm, relative to 7 nm.
///
/// Source: TSMC's stated power at equal speed, N7 to N5 -30 %, N5 to N3E -32 %.
const BELOW_7NM: &[(f64, f64)] = &[(7.0, 1.0), (5.0, 0.70), (3.0, 0.70 * 0.68)];

/// Logic area relative to 7 nm; outside of the table its ends are held.
pub(super) fn relative_area(node: Meters) -> f64 {
    interpolate(AREA, node.0 * 1e9)
}

/// Energy of an action published at 45 and 7 nm, at another node.
///
/// Between the two nodes the logarithm of the energy is interpolated over the logarithm of the
/// feature size; below 7 nm the foundry's ratios apply; above 45 nm the slope is continued.
pub(super) fn energy_at(node: Meters, at_45: f64, at_7: f64) -> f64 {
    let nm = node.0 * 1e9;
    if nm < 7.0 {
        return at_7 * interpolate(BELOW_7NM, nm);
    }
    let slope = (at_45 / at_7).ln() / (45.0_f64 / 7.0).ln();
    at_7 * (nm / 7.0).powf(slope)
}

/// Log-log interpolation; outside of the points the nearest one is held.
pub(super) fn interpolate(points: &[(f64, f64)], x: f64) -> f64 {
    let mut sorted: Vec<(f64, f64)> = points.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let last = sorted.len() - 1;
    if x <= sorted[0].0 {
        return sorted[0].1;
    }
    if x >= sorted[last].0 {
        return sorted[last].1;
    }
    let above = sorted.partition_point(|p| p.0 < x).max(1);
    let ((x0, y0), (x1, y1)) = (sorted[above - 1], sorted[above]);
    let share = (x / x0).ln() / (x1 / x0).ln();
    y0 * (y1 / y0).powf(share)
}
