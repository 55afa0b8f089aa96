//! Stacked bars: where time and energy go.

use super::PlotError;
use super::color::{self, AXIS, Color, GRID, N_CATEGORIES, OTHER};
use super::font;
use super::page;
use super::render::check_count;
use super::scale::{self, Scale};
use super::scene::{Anchor, Area, Scene, Text};

/// One to three panels of horizontal stacked bars, side by side.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bars {
    /// First line.
    pub title: String,
    /// Second line.
    pub subtitle: String,
    /// Left to right, such as time by bound and energy by component.
    pub panels: Vec<BarPanel>,
}

/// Bars of one unit with one set of parts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BarPanel {
    /// What is measured: `Time`.
    pub title: String,
    /// SI unit of the values: `s`.
    pub unit: String,
    /// Top to bottom.
    pub groups: Vec<BarGroup>,
}

/// One bar.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BarGroup {
    /// Name beside the bar.
    pub label: String,
    /// Name and value of each part, left to right; values that are not positive are not drawn.
    pub parts: Vec<(String, f64)>,
}

const WIDTH: f64 = 760.0;
const GAP: f64 = 26.0;
const ROW: f64 = 26.0;
const N_ROWS: usize = 16;

/// A bar with its parts summed by category.
struct Row {
    label: String,
    /// Per category of the panel, then the rest.
    values: Vec<f64>,
}

impl Row {
    fn total(&self) -> f64 {
        self.values.iter().sum()
    }
}

/// A panel ready to draw.
struct Sheet<'a> {
    panel: &'a BarPanel,
    categories: Vec<String>,
    /// Of each category, then of the rest.
    colors: Vec<Color>,
    rows: Vec<Row>,
    n_left_out: usize,
}

impl Bars {
    pub(super) fn scene(&self) -> Result<Scene, PlotError> {
        let n = self.panels.len();
        if !(1..=3).contains(&n) {
            return Err(PlotError::Panels(n));
        }
        check_count(
            self.panels
                .iter()
                .flat_map(|p| &p.groups)
                .map(|g| g.parts.len())
                .sum(),
        )?;
        let mut sheets: Vec<Sheet<'_>> = self.panels.iter().map(sheet).collect();
        share_colors(&mut sheets);
        let width = (WIDTH - 2.0 * page::MARGIN - GAP * (n - 1) as f64) / n as f64;
        let left = |i: usize| page::MARGIN + i as f64 * (width + GAP);

        // Legends differ in height; all bars start below the tallest.
        let mut scene = Scene::new(WIDTH, 10.0, &self.title);
        let top = page::heading(&mut scene, &self.title, &self.subtitle);
        let mut bars_top = top;
        for (i, sheet) in sheets.iter().enumerate() {
            let title = font::fit(&sheet.title(), 12.5, width);
            scene.text(Text::new(title, (left(i), top + 10.0), 12.5));
            let entries = sheet.legend();
            let height = page::legend(&mut scene, (left(i), top + 18.0), width, &entries);
            bars_top = f64::max(bars_top, top + 18.0 + height + 6.0);
        }
        let n_rows = sheets
            .iter()
            .map(|s| s.rows.len())
            .max()
            .unwrap_or(0)
            .max(1);
        let bottom = bars_top + ROW * n_rows as f64 + 4.0;
        let n_left_out: usize = sheets.iter().map(|s| s.n_left_out).sum();
        let height = bottom + 46.0 + if n_left_out > 0 { 16.0 } else { 0.0 };

        let mut page = Scene::new(WIDTH, height, &self.title);
        page.shapes.extend(scene.shapes.into_iter().skip(1));
        for (i, sheet) in sheets.iter().enumerate() {
            sheet.draw(
                &mut page,
                Area {
                    left: left(i),
                    top: bars_top,
                    right: left(i) + width,
                    bottom,
                },
            );
        }
        if n_left_out > 0 {
            let are = if n_left_out == 1 {
                "part is"
            } else {
                "parts are"
            };
            page::footnote(
                &mut page,
                &format!("{n_left_out} {are} not drawn: negative or not a number"),
            );
        }
        Ok(page)
    }
}

/// Sums parts by category and folds what does not fit into one last row and one last category.
fn sheet(panel: &BarPanel) -> Sheet<'_> {
    let is_drawable = |v: f64| v.is_finite() && v >= 0.0;
    let parts = || panel.groups.iter().flat_map(|g| &g.parts);
    let categories = page::heaviest(
        parts()
            .filter(|p| is_drawable(p.1))
            .map(|(name, v)| (name.as_str(), *v)),
        N_CATEGORIES,
    );

    let row = |label: String, groups: &[BarGroup]| {
        let mut values = vec![0.0; categories.len() + 1];
        for (name, value) in groups.iter().flat_map(|g| &g.parts) {
            if is_drawable(*value) {
                let at = categories.iter().position(|c| c == name);
                values[at.unwrap_or(categories.len())] += value;
            }
        }
        Row { label, values }
    };
    let n_own = if panel.groups.len() > N_ROWS {
        N_ROWS - 1
    } else {
        panel.groups.len()
    };
    let (own, rest) = panel.groups.split_at(n_own);
    let mut rows: Vec<Row> = own
        .iter()
        .map(|g| row(font::clean(&g.label), std::slice::from_ref(g)))
        .collect();
    if !rest.is_empty() {
        rows.push(row(format!("{} more", rest.len()), rest));
    }
    Sheet {
        panel,
        rows,
        n_left_out: parts().filter(|p| !is_drawable(p.1)).count(),
        colors: (0..=categories.len())
            .map(|i| color_of(i, &categories))
            .collect(),
        categories,
    }
}

fn color_of(idx: usize, categories: &[String]) -> Color {
    if idx < categories.len() {
        color::category(idx)
    } else {
        OTHER
    }
}

/// A part of the same name has the same color in all panels, if there are colors enough.
fn share_colors(sheets: &mut [Sheet<'_>]) {
    let mut names: Vec<String> = Vec::new();
    for name in sheets.iter().flat_map(|s| &s.categories) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    if names.len() > N_CATEGORIES {
        return;
    }
    for sheet in sheets {
        for (name, color) in sheet.categories.iter().zip(&mut sheet.colors) {
            let at = names.iter().position(|n| n == name);
            *color = color_of(at.unwrap_or(names.len()), &names);
        }
    }
}

impl Sheet<'_> {
    /// `Time: 54.3 ms = 100 %`, the whole that the percentages are shares of.
    fn title(&self) -> String {
        let total: f64 = self.rows.iter().map(Row::total).sum();
        let name = font::clean(&self.panel.title);
        format!(
            "{name}: {} = 100 %",
            scale::show(total, &self.panel.unit, 3)
        )
    }

    fn legend(&self) -> Vec<(String, Color)> {
        let mut entries: Vec<(String, Color)> = self
            .categories
            .iter()
            .enumerate()
            .filter(|(i, _)| self.rows.iter().any(|r| r.values[*i] > 0.0))
            .map(|(i, name)| (font::clean(name), self.colors[i]))
            .collect();
        if self
            .rows
            .iter()
            .any(|r| r.values[self.categories.len()] > 0.0)
        {
            entries.push(("other".to_owned(), OTHER));
        }
        entries
    }

    fn draw(&self, scene: &mut Scene, area: Area) {
        let unit = self.panel.unit.as_str();
        let size = 11.0;
        let total: f64 = self.rows.iter().map(Row::total).sum();
        let labels: Vec<String> = self
            .rows
            .iter()
            .map(|r| font::fit(&r.label, size, area.width() * 0.34))
            .collect();
        let sums: Vec<String> = self
            .rows
            .iter()
            .map(|r| scale::show(r.total(), unit, 3))
            .collect();
        let widest = |texts: &[String], size: f64| {
            texts
                .iter()
                .map(|t| font::width(t, size))
                .fold(0.0, f64::max)
        };
        let plot = Area {
            left: area.left + widest(&labels, size) + 8.0,
            right: area.right - widest(&sums, 10.5) - 8.0,
            ..area
        };
        let largest = self.rows.iter().map(Row::total).fold(0.0, f64::max);
        let scale = Scale::from_zero(largest / 1.04);
        self.draw_axis(scene, plot, &scale, area.right);
        for (i, row) in self.rows.iter().enumerate() {
            let middle = plot.top + ROW * (i as f64 + 0.5) + 2.0;
            let label = Text::new(labels[i].as_str(), (plot.left - 7.0, middle + 4.0), size);
            scene.text(label.anchor(Anchor::End));
            let end = self.draw_row(scene, plot, &scale, row, middle, total);
            scene.text(Text::new(sums[i].as_str(), (end + 5.0, middle + 4.0), 10.5).soft());
        }
        scene.line([(plot.left, plot.top), (plot.left, plot.bottom)], 1.0, AXIS);
        if total <= 0.0 {
            let at = (plot.left + 8.0, plot.top + 18.0);
            scene.text(Text::new("nothing to draw", at, size).soft());
        }
    }

    /// One bar; returns where it ends.
    fn draw_row(
        &self,
        scene: &mut Scene,
        plot: Area,
        scale: &Scale,
        row: &Row,
        middle: f64,
        total: f64,
    ) -> f64 {
        let mut sum = 0.0;
        let mut from = plot.left;
        for (category, value) in row.values.iter().enumerate() {
            sum += value;
            let to = plot.left + scale.share(sum) * plot.width();
            let area = Area {
                left: from,
                right: to,
                top: middle - 8.5,
                bottom: middle + 8.5,
            };
            if to > from && *value > 0.0 {
                let color = self.colors[category];
                scene.rectangle(area, color);
                if to - from > 3.0 {
                    scene.line([(to, area.top), (to, area.bottom)], 0.8, color::WHITE);
                }
                let share = format!("{:.0} %", 100.0 * value / total);
                if *value >= 0.03 * total && font::width(&share, 9.5) + 5.0 <= area.width() {
                    let at = ((from + to) / 2.0, middle + 3.5);
                    let text = Text::new(share, at, 9.5).anchor(Anchor::Middle);
                    scene.text(text.color(color.ink_on()));
                }
            }
            from = to;
        }
        from
    }

    fn draw_axis(&self, scene: &mut Scene, plot: Area, scale: &Scale, right: f64) {
        let unit = self.panel.unit.as_str();
        let mut free_from = f64::NEG_INFINITY;
        for tick in scale.ticks(5, unit) {
            let at = plot.left + scale.share(tick.value) * plot.width();
            scene.line([(at, plot.top), (at, plot.bottom)], 0.8, GRID);
            let label =
                Text::new(tick.label, (at, plot.bottom + 14.0), 10.5).anchor(Anchor::Middle);
            if label.area().left > free_from {
                free_from = label.area().right + 6.0;
                scene.text(label);
            }
        }
        let title = font::fit(
            &scale.title(&font::clean(&self.panel.title), unit),
            11.5,
            right - plot.left,
        );
        let at = ((plot.left + plot.right) / 2.0, plot.bottom + 32.0);
        scene.text(Text::new(title, at, 11.5).anchor(Anchor::Middle));
    }
}
