//! A Pareto scatter as terminal text: 60 × 16 letters, to be pasted anywhere.
//!
//! ```
//! use wattline::report::ascii::{self, Letters};
//! use wattline::report::plot::{Axis, Scatter, ScatterPoint};
//!
//! let point = |x, y| ScatterPoint { x, y, color: f64::NAN, is_feasible: true };
//! let text = ascii::scatter(
//!     &Scatter {
//!         x: Axis { name: "latency".into(), unit: "s".into(), ..Axis::default() },
//!         y: Axis { name: "energy".into(), unit: "J".into(), ..Axis::default() },
//!         points: vec![point(1e-3, 2e-3), point(2e-3, 1e-3), point(3e-3, 3e-3)],
//!         front: vec![0, 1],
//!         ..Scatter::default()
//!     },
//!     Letters::Ascii,
//! );
//! assert_eq!(text.matches('*').count(), 3, "two points and one in the legend: {text}");
//! ```

use super::plot::Scatter;
use super::plot::scale::{Scale, extent, show};

/// Which letters a terminal can show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Letters {
    /// `●` and `·`, lines of box drawing.
    #[default]
    Unicode,
    /// `*` and `.`.
    Ascii,
}

const WIDTH: usize = 60;
const HEIGHT: usize = 16;

/// Marks of one [`Letters`] set.
struct Marks {
    front: char,
    other: char,
    infeasible: char,
    side: char,
    floor: char,
    corner: char,
}

/// Front points as `●` (`*`), other feasible points as `·` (`.`), infeasible ones as `x`.
///
/// Axes are logarithmic where the values span more than a decade. Points that are not finite are counted
/// in the legend line.
pub fn scatter(plot: &Scatter, letters: Letters) -> String {
    let marks = match letters {
        Letters::Unicode => Marks {
            front: '●',
            other: '·',
            infeasible: 'x',
            side: '│',
            floor: '─',
            corner: '└',
        },
        Letters::Ascii => Marks {
            front: '*',
            other: '.',
            infeasible: 'x',
            side: '|',
            floor: '-',
            corner: '+',
        },
    };
    let drawn = || plot.points.iter().filter(|p| p.is_drawable());
    let x = Scale::fitting(extent(drawn().map(|p| p.x)));
    let y = Scale::fitting(extent(drawn().map(|p| p.y)));
    let cells = fill(plot, &x, &y, &marks);
    let mut out = render(plot, &x, &y, &marks, &cells);
    if letters == Letters::Ascii {
        out = out.replace('µ', "u").replace('²', "2").replace('³', "3");
        out = out
            .chars()
            .map(|c| if c.is_ascii() { c } else { '?' })
            .collect();
    }
    out
}

/// Top row first; the front covers other points, those cover infeasible ones.
fn fill(plot: &Scatter, x: &Scale, y: &Scale, marks: &Marks) -> Vec<Vec<char>> {
    let mut cells = vec![vec![' '; WIDTH]; HEIGHT];
    let mut put = |i: usize, mark: char| {
        let point = &plot.points[i];
        let column = (x.share(point.x) * (WIDTH - 1) as f64).round() as usize;
        let row = (y.share(point.y) * (HEIGHT - 1) as f64).round() as usize;
        cells[HEIGHT - 1 - row.min(HEIGHT - 1)][column.min(WIDTH - 1)] = mark;
    };
    for (feasible, mark) in [(false, marks.infeasible), (true, marks.other)] {
        for (i, point) in plot.points.iter().enumerate() {
            if point.is_drawable() && point.is_feasible == feasible {
                put(i, mark);
            }
        }
    }
    for i in plot.drawable_front() {
        put(i, marks.front);
    }
    cells
}

fn render(plot: &Scatter, x: &Scale, y: &Scale, marks: &Marks, cells: &[Vec<char>]) -> String {
    let label = |scale: &Scale, share: f64, unit: &str| show(scale.at(share), unit, 3);
    let unit = plot.y.unit.as_str();
    let rows = [
        (0, 1.0),
        (HEIGHT / 2, 1.0 - (HEIGHT / 2) as f64 / (HEIGHT - 1) as f64),
        (HEIGHT - 1, 0.0),
    ];
    let labels: Vec<(usize, String)> = rows
        .into_iter()
        .map(|(row, share)| (row, label(y, share, unit)))
        .collect();
    let margin = labels
        .iter()
        .map(|(_, l)| l.chars().count())
        .max()
        .unwrap_or(0);
    let mut out = format!("{}\n", clean(&plot.y.name));
    for (row, letters) in cells.iter().enumerate() {
        let text = labels
            .iter()
            .find(|(r, _)| *r == row)
            .map_or("", |(_, l)| l.as_str());
        let line: String = letters.iter().collect();
        let line = format!("{text:>margin$} {}{line}", marks.side);
        out.push_str(line.trim_end());
        out.push('\n');
    }
    let floor: String = std::iter::repeat_n(marks.floor, WIDTH).collect();
    out.push_str(&format!("{:margin$} {}{floor}\n", "", marks.corner));

    let unit = plot.x.unit.as_str();
    let (left, middle, right) = (
        label(x, 0.0, unit),
        label(x, 0.5, unit),
        label(x, 1.0, unit),
    );
    let room = WIDTH.saturating_sub(left.chars().count() + right.chars().count());
    let axis = format!("{:margin$}  {left}{middle:^room$}{right}", "");
    out.push_str(axis.trim_end());
    let name = clean(&plot.x.name);
    let shift = margin + 2 + WIDTH.saturating_sub(name.chars().count());
    out.push_str(&format!("\n{:shift$}{name}\n", ""));
    out.push_str(&legend(plot, marks, margin));
    out
}

fn legend(plot: &Scatter, marks: &Marks, margin: usize) -> String {
    let count = |wanted: bool| {
        let all = plot.points.iter().filter(|p| p.is_drawable());
        all.filter(|p| p.is_feasible == wanted).count()
    };
    let n_front = plot.drawable_front().len();
    let (n_feasible, n_infeasible) = (count(true), count(false));
    let mut parts = vec![format!("{} front ({n_front})", marks.front)];
    let n_other = n_feasible.saturating_sub(n_front);
    if n_other > 0 {
        parts.push(format!("{} evaluated ({n_other})", marks.other));
    }
    if n_infeasible > 0 {
        parts.push(format!("{} infeasible ({n_infeasible})", marks.infeasible));
    }
    let n_left_out = plot.points.len() - n_feasible - n_infeasible;
    if n_left_out > 0 {
        parts.push(format!("not finite ({n_left_out})"));
    }
    format!("{:margin$}  {}\n", "", parts.join("   "))
}

fn clean(name: &str) -> String {
    let letters = name.chars().map(|c| if c.is_control() { ' ' } else { c });
    letters.take(WIDTH).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plot::{Axis, ScatterPoint};
    use expect_test::expect;

    fn sweep() -> Scatter {
        let axis = |name: &str, unit: &str| Axis {
            name: name.into(),
            unit: unit.into(),
            ..Axis::default()
        };
        let points = (1..=24).map(|i| {
            let i = f64::from(i);
            ScatterPoint {
                x: i * 1e-3,
                y: 0.1 / i + if i % 3.0 == 0.0 { 0.0 } else { 0.02 },
                color: f64::NAN,
                is_feasible: i % 5.0 != 0.0,
            }
        });
        let points: Vec<ScatterPoint> = points.collect();
        let front = (2..24)
            .step_by(3)
            .filter(|i| points[*i].is_feasible)
            .collect();
        Scatter {
            x: axis("latency", "s"),
            y: axis("energy", "J"),
            points,
            front,
            ..Scatter::default()
        }
    }

    #[test]
    fn the_plot_is_60_by_16_with_si_labels() {
        expect![[r#"
            energy
             147 mJ │
                    │   ·
                    │
                    │               ·
                    │
                    │                          ·   x
                    │                     ●             ·  ·  x ·
                    │                                              ·· ·· ·x··
            19.7 mJ │
                    │                                 ●
                    │                                        ●
                    │                                            ●
                    │                                                x
                    │                                                   ●
                    │                                                      ● ●
            3.41 mJ │
                    └────────────────────────────────────────────────────────────
                     826 µs                     4.9 ms                      29 ms
                                                                          latency
                     ● front (7)   · evaluated (13)   x infeasible (4)
        "#]]
        .assert_eq(&scatter(&sweep(), Letters::Unicode));
    }

    #[test]
    fn ascii_is_ascii() {
        let mut plot = sweep();
        plot.x.unit = "µm²".into();
        assert!(scatter(&plot, Letters::Ascii).is_ascii());
    }

    #[test]
    fn degenerate_input_gives_a_frame() {
        let mut plot = Scatter::default();
        assert_eq!(scatter(&plot, Letters::Unicode).lines().count(), HEIGHT + 5);
        for value in [0.0, f64::NAN, f64::INFINITY, 1e308, -1e308, 1e-320] {
            plot.points.push(ScatterPoint {
                x: value,
                y: -value,
                color: value,
                is_feasible: true,
            });
            plot.front = vec![0, plot.points.len() - 1, 99];
            let text = scatter(&plot, Letters::Unicode);
            assert_eq!(text.lines().count(), HEIGHT + 5, "{text}");
            assert!(text.lines().all(|l| l.chars().count() < 100), "{text}");
        }
    }
}
