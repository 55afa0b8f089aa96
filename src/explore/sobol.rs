//! Sobol's points: any number of them covers every axis evenly.
//!
//! Source: Joe and Kuo, "Constructing Sobol sequences with better two-dimensional projections", SIAM J. Sci. Comput. 30
//! (2008), direction numbers new-joe-kuo-6.21201; Gray-code order after Antonov and Saleev (1979).

/// Degree of the polynomial, its inner coefficients, and the first direction numbers, from the second axis on.
const DIRECTIONS: [(u32, u32, &[u32]); 20] = [
    (1, 0, &[1]),
    (2, 1, &[1, 3]),
    (3, 1, &[1, 3, 1]),
    (3, 2, &[1, 1, 1]),
    (4, 1, &[1, 1, 3, 3]),
    (4, 4, &[1, 3, 5, 13]),
    (5, 2, &[1, 1, 5, 5, 17]),
    (5, 4, &[1, 1, 5, 5, 5]),
    (5, 7, &[1, 1, 7, 11, 19]),
    (5, 11, &[1, 1, 5, 1, 1]),
    (5, 13, &[1, 1, 1, 3, 11]),
    (5, 14, &[1, 3, 5, 5, 31]),
    (6, 1, &[1, 3, 3, 9, 7, 49]),
    (6, 13, &[1, 1, 1, 15, 21, 21]),
    (6, 16, &[1, 3, 1, 13, 27, 49]),
    (6, 19, &[1, 1, 1, 15, 7, 5]),
    (6, 22, &[1, 3, 1, 15, 13, 25]),
    (6, 25, &[1, 1, 5, 5, 19, 61]),
    (7, 1, &[1, 3, 7, 11, 23, 15, 103]),
    (7, 4, &[1, 3, 7, 13, 13, 15, 69]),
];

/// Most axes.
pub(super) const MOST_AXES: usize = DIRECTIONS.len() + 1;

const BITS: usize = 32;

/// The points one after the other, each axis shifted by its own bits.
pub(super) struct Sobol {
    directions: Vec<[u32; BITS]>,
    at: Vec<u32>,
    n: u64,
}

impl Sobol {
    /// At most [`MOST_AXES`] shifts, one for each axis; zeros give the published points, the first at 0.
    pub(super) fn new(shifts: &[u32]) -> Self {
        let axes = 0..shifts.len().min(MOST_AXES);
        Self {
            directions: axes.map(directions).collect(),
            at: shifts.to_vec(),
            n: 0,
        }
    }
}

impl Iterator for Sobol {
    type Item = Vec<f64>;

    fn next(&mut self) -> Option<Vec<f64>> {
        let scale = 2_f64.powi(-(BITS as i32));
        let point = self
            .at
            .iter()
            .map(|bits| f64::from(*bits) * scale)
            .collect();
        // The lowest zero bit of the number of the point.
        let flip = (!self.n).trailing_zeros() as usize;
        for (at, directions) in self.at.iter_mut().zip(&self.directions) {
            *at ^= directions.get(flip)?;
        }
        self.n += 1;
        Some(point)
    }
}

fn directions(axis: usize) -> [u32; BITS] {
    let mut v = [0_u32; BITS];
    let Some((degree, inner, first)) = axis.checked_sub(1).and_then(|i| DIRECTIONS.get(i)) else {
        for (i, v) in v.iter_mut().enumerate() {
            *v = 1 << (BITS - 1 - i);
        }
        return v;
    };
    let degree = *degree as usize;
    for i in 0..BITS {
        v[i] = match first.get(i) {
            Some(m) => m << (BITS - 1 - i),
            None => {
                let mut next = v[i - degree] ^ (v[i - degree] >> degree);
                for k in 1..degree {
                    let takes = (inner >> (degree - 1 - k)) & 1;
                    next ^= takes * v[i - k];
                }
                next
            }
        };
    }
    v
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_points_are_the_published_ones() {
        // Output of the authors' program for three axes.
        let expected = [
            [0.0, 0.0, 0.0],
            [0.5, 0.5, 0.5],
            [0.75, 0.25, 0.25],
            [0.25, 0.75, 0.75],
            [0.375, 0.375, 0.625],
            [0.875, 0.875, 0.125],
            [0.625, 0.125, 0.875],
            [0.125, 0.625, 0.375],
        ];
        let found: Vec<Vec<f64>> = Sobol::new(&[0; 3]).take(8).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_power_of_two_points_fill_every_axis_evenly() {
        // One point in each of 256 equal parts of every axis, whatever the shifts.
        let shifts: Vec<u32> = (0..MOST_AXES as u32)
            .map(|a| a.wrapping_mul(0x9e37_79b9))
            .collect();
        let points: Vec<Vec<f64>> = Sobol::new(&shifts).take(256).collect();
        for axis in 0..MOST_AXES {
            let mut parts: Vec<usize> = points.iter().map(|p| (p[axis] * 256.0) as usize).collect();
            parts.sort_unstable();
            assert_eq!(parts, (0..256).collect::<Vec<_>>(), "axis {axis}");
        }
    }
}
