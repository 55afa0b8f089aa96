//! Plots end to end: what people see is in the file, and no input panics.

use wattline::report::plot::{
    self, Axis, BarGroup, BarPanel, Bars, Better, Plot, PlotError, RoofPoint, Roofline, Scatter,
    ScatterPoint,
};

/// Deterministic numbers in 0..1 (an LCG with the constants of Numerical Recipes).
struct Noise(u32);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(self.0) / f64::from(u32::MAX)
    }
}

fn resnet() -> Roofline {
    let mut noise = Noise(7);
    let points: Vec<RoofPoint> = (0..60)
        .map(|i| {
            let (group, intensity) = match i % 3 {
                0 => ("Conv 1×1", 20.0 + 90.0 * noise.next()),
                1 => ("Conv 3×3", 80.0 + 300.0 * noise.next()),
                _ => ("Add, ReLU", 0.15 + 0.2 * noise.next()),
            };
            let roof = f64::min(intensity * 1.3e12, 165e12);
            RoofPoint {
                label: format!("layer{}.{}.conv{}", 1 + i / 16, i % 5, 1 + i % 3),
                intensity,
                achieved: roof * (0.35 + 0.5 * noise.next()),
                share: 0.05 * noise.next().powi(2),
                group: group.into(),
            }
        })
        .collect();
    Roofline {
        title: "ResNet-50 on RTX 4090".into(),
        subtitle: "batch 32, fp16, 60 operators, 3.1 ms".into(),
        ceilings: vec![("fp16 tensor".into(), 165e12), ("fp32".into(), 82.6e12)],
        bandwidths: vec![("L2".into(), 5e12), ("GDDR6X".into(), 1.008e12)],
        points,
    }
}

fn llm() -> Roofline {
    let rows = [
        ("qkv_proj", 1.9, 6.1e12, 0.14, "GEMM"),
        ("o_proj", 1.95, 6.0e12, 0.09, "GEMM"),
        ("gate_up_proj", 1.98, 6.3e12, 0.33, "GEMM"),
        ("down_proj", 1.97, 6.2e12, 0.17, "GEMM"),
        ("lm_head", 1.99, 6.4e12, 0.08, "GEMM"),
        ("attention QKᵀ", 0.98, 2.1e12, 0.06, "attention"),
        ("attention PV", 0.97, 2.0e12, 0.06, "attention"),
        ("softmax", 0.6, 0.5e12, 0.02, "attention"),
        ("rms_norm", 0.25, 0.2e12, 0.02, "elementwise"),
        ("silu_mul", 0.3, 0.3e12, 0.01, "elementwise"),
        ("rope", 0.4, 0.2e12, 0.01, "elementwise"),
        ("residual add", 0.08, 0.1e12, 0.01, "elementwise"),
    ];
    Roofline {
        title: "Llama-3.1-8B decode on H100 SXM".into(),
        subtitle: "batch 1, context 8192, bf16; dot area is the share of time".into(),
        ceilings: vec![("bf16".into(), 989e12)],
        bandwidths: vec![("HBM3".into(), 3.35e12)],
        points: rows
            .map(|(label, intensity, achieved, share, group)| RoofPoint {
                label: label.into(),
                intensity,
                achieved,
                share,
                group: group.into(),
            })
            .into(),
    }
}

fn bars() -> Bars {
    let group = |label: &str, parts: &[(&str, f64)]| BarGroup {
        label: label.into(),
        parts: parts.iter().map(|(n, v)| ((*n).to_owned(), *v)).collect(),
    };
    let bounds = |c: f64, m: f64, l: f64| [("compute", c), ("HBM", m), ("launch", l)];
    let energy =
        |a: f64, b: f64, c: f64, d: f64| [("MAC", a), ("SRAM", b), ("HBM", c), ("static", d)];
    Bars {
        title: "Where the time and energy go: Llama-3.1-8B prefill on H100".into(),
        subtitle: "batch 1, prompt 2048, bf16".into(),
        panels: vec![
            BarPanel {
                title: "Time".into(),
                unit: "s".into(),
                groups: vec![
                    group("gate_up_proj", &bounds(21e-3, 0.0, 0.2e-3)),
                    group("down_proj", &bounds(10.6e-3, 0.0, 0.2e-3)),
                    group("attention", &bounds(6.1e-3, 2.2e-3, 0.5e-3)),
                    group("qkv_proj", &bounds(4.9e-3, 0.0, 0.2e-3)),
                    group("o_proj", &bounds(3.1e-3, 0.0, 0.2e-3)),
                    group("norm, rope, add", &bounds(0.0, 2.8e-3, 0.9e-3)),
                    group("lm_head", &bounds(0.8e-3, 0.9e-3, 0.01e-3)),
                ],
            },
            BarPanel {
                title: "Energy".into(),
                unit: "J".into(),
                groups: vec![
                    group("gate_up_proj", &energy(5.1, 1.6, 0.6, 2.4)),
                    group("down_proj", &energy(2.6, 0.8, 0.3, 1.2)),
                    group("attention", &energy(1.1, 0.9, 0.5, 1.0)),
                    group("qkv_proj", &energy(1.2, 0.4, 0.15, 0.6)),
                    group("o_proj", &energy(0.8, 0.25, 0.1, 0.4)),
                    group("norm, rope, add", &energy(0.02, 0.3, 0.9, 0.45)),
                    group("lm_head", &energy(0.2, 0.1, 0.25, 0.2)),
                ],
            },
        ],
    }
}

fn axis(name: &str, unit: &str, better: Better) -> Axis {
    Axis {
        name: name.into(),
        unit: unit.into(),
        better,
    }
}

fn sweep(n: usize) -> Scatter {
    let mut noise = Noise(3);
    let points: Vec<ScatterPoint> = (0..n)
        .map(|_| {
            let size = 10_f64.powf(1.7 * noise.next());
            let waste = 1.0 + 1.5 * noise.next().powi(2);
            ScatterPoint {
                x: 60e-3 / size * waste + 2e-3,
                y: (6e-3 + 1.2e-3 * size.powf(0.8)) * (1.0 + 1.2 * noise.next().powi(2)),
                color: 4e-6 + 0.9e-6 * size,
                is_feasible: size * waste < 48.0,
            }
        })
        .collect();
    let costs: Vec<[f64; 2]> = points
        .iter()
        .map(|p| {
            if p.is_feasible {
                [p.x, p.y]
            } else {
                [f64::NAN; 2]
            }
        })
        .collect();
    let front = wattline::pareto::front(&costs);
    let by = |d: usize| {
        front
            .iter()
            .copied()
            .min_by(|a, b| costs[*a][d].total_cmp(&costs[*b][d]))
    };
    let mut marks = Vec::new();
    if let (Some(a), Some(b), Some(k)) = (by(0), by(1), wattline::pareto::knee(&costs, &front)) {
        marks = vec![
            (k, "knee".to_owned()),
            (a, "fastest".to_owned()),
            (b, "least energy".to_owned()),
        ];
    }
    Scatter {
        title: "Edge NPU design space".into(),
        subtitle: format!("MobileNetV2, int8; {n} designs; area < 40 mm², power < 6 W"),
        x: axis("Latency", "s", Better::Lower),
        y: axis("Energy per inference", "J", Better::Lower),
        color: Some(axis("Area", "m²", Better::Lower)),
        points,
        front,
        marks,
    }
}

fn serving() -> Scatter {
    let mut plot = sweep(40);
    plot.title = "Throughput against interactivity".into();
    plot.x = axis("Interactivity per user", "tok/s", Better::Higher);
    plot.y = axis("Throughput per chip", "tok/s", Better::Higher);
    plot.color = None;
    for point in &mut plot.points {
        (point.x, point.y) = (
            point.x * 3000.0,
            9e4 / (point.x * 1e3 + 3.0) / point.y.powf(0.05),
        );
    }
    let costs: Vec<[f64; 2]> = plot.points.iter().map(|p| [-p.x, -p.y]).collect();
    plot.front = wattline::pareto::front(&costs);
    plot.marks = vec![(
        plot.front[0],
        "a mark with a long explanation of sixty letters, as given".into(),
    )];
    plot
}

fn all() -> Vec<(&'static str, Plot)> {
    vec![
        ("roofline_resnet", Plot::Roofline(resnet())),
        ("roofline_llm", Plot::Roofline(llm())),
        ("bars_llm", Plot::Bars(bars())),
        ("scatter_sweep", Plot::Scatter(sweep(300))),
        ("scatter_5000", Plot::Scatter(sweep(5000))),
        ("scatter_serving", Plot::Scatter(serving())),
    ]
}

/// Every tag is closed in order and every `&` starts an entity.
#[track_caller]
fn check_xml(text: &str) {
    let mut open: Vec<&str> = Vec::new();
    for piece in text.split('<').skip(1) {
        let (tag, content) = piece.split_once('>').expect("a tag ends");
        assert!(!content.contains('>'), "{content}");
        for entity in content.split('&').skip(1) {
            assert!(
                ["amp;", "lt;", "gt;", "quot;", "apos;"]
                    .iter()
                    .any(|e| entity.starts_with(e)),
                "{entity}"
            );
        }
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name));
        } else if !tag.starts_with('?') && !tag.ends_with('/') {
            open.push(tag.split(' ').next().expect("a name"));
        }
        assert!(!tag.contains("NaN") && !tag.contains("inf"), "{tag}");
    }
    assert!(open.is_empty(), "{open:?}");
}

/// Both formats are made, well-formed and the same each time.
#[track_caller]
fn check(plot: &Plot) -> String {
    let svg = plot::svg(plot).expect("has a picture");
    check_xml(&svg);
    assert_eq!(svg, plot::svg(plot).expect("again"));
    let png = plot::png(plot).expect("has a picture");
    assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
    assert!(
        (5_000..2_000_000).contains(&png.len()),
        "{} bytes",
        png.len()
    );
    assert_eq!(png, plot::png(plot).expect("again"));
    svg
}

#[test]
fn the_picture_holds_what_it_is_about() {
    for (name, plot) in all() {
        let svg = check(&plot);
        let expected: &[&str] = match name {
            "roofline_resnet" => &[
                "ResNet-50 on RTX 4090",
                "Conv 3×3",
                "GDDR6X  1.01 TB/s",
                "fp16 tensor  165 TOP/s",
                "Operational intensity",
            ],
            "roofline_llm" => &[
                "gate_up_proj",
                "attention QKᵀ",
                "HBM3  3.35 TB/s",
                "bf16  989 TOP/s",
            ],
            "bars_llm" => &[
                "Time (ms)",
                "Energy (J)",
                "gate_up_proj",
                "compute",
                "static",
                "21.2 ms",
                "%",
            ],
            "scatter_sweep" | "scatter_5000" => &[
                "knee",
                "fastest",
                "least energy",
                "← Latency",
                "Area",
                "infeasible (",
            ],
            _ => &["Throughput per chip (tok/s) →", "on the front ("],
        };
        for text in expected {
            assert!(svg.contains(text), "{name} lacks {text}");
        }
    }
}

#[test]
fn odd_values_never_panic() {
    let odd = [
        0.0,
        -0.0,
        -1.0,
        1.0,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        1e-320,
        1e308,
        -1e308,
        f64::MAX,
        f64::MIN_POSITIVE,
    ];
    for a in odd {
        for b in odd {
            let text = format!(
                "<{a}&{b}>\n\u{1b}[31m{}",
                "a label of sixty letters ".repeat(3)
            );
            let point = RoofPoint {
                label: text.clone(),
                intensity: a,
                achieved: b,
                share: a,
                group: text.clone(),
            };
            let roof = Roofline {
                title: text.clone(),
                subtitle: text.clone(),
                ceilings: vec![(text.clone(), a), (text.clone(), b)],
                bandwidths: vec![(text.clone(), b), (text.clone(), 1.0)],
                points: vec![point.clone(), point],
            };
            let group = BarGroup {
                label: text.clone(),
                parts: vec![(text.clone(), a), (String::new(), b)],
            };
            let panel = BarPanel {
                title: text.clone(),
                unit: "s".into(),
                groups: vec![group],
            };
            let point = |x, y| ScatterPoint {
                x,
                y,
                color: a,
                is_feasible: a > b,
            };
            let scatter = Scatter {
                title: text.clone(),
                subtitle: String::new(),
                x: axis(&text, "s", Better::Lower),
                y: axis(&text, &text, Better::Higher),
                color: Some(axis(&text, "J", Better::Lower)),
                points: vec![point(a, b), point(b, a), point(1.0, a)],
                front: vec![0, 1],
                marks: vec![(0, text.clone()), (2, text.clone())],
            };
            let bars = Bars {
                title: text.clone(),
                subtitle: text,
                panels: vec![panel],
            };
            for plot in [
                Plot::Roofline(roof),
                Plot::Bars(bars),
                Plot::Scatter(scatter),
            ] {
                check_xml(&plot::svg(&plot).expect("a picture"));
                if a.to_bits() == b.to_bits() {
                    assert!(plot::png(&plot).expect("a picture").len() > 1000);
                }
            }
        }
    }
}

#[test]
fn nothing_and_too_much_are_answered() {
    let text = check(&Plot::Roofline(Roofline::default()));
    assert!(text.contains("no operators to draw"));
    let text = check(&Plot::Scatter(Scatter::default()));
    assert!(text.contains("no points to draw"));
    let no_panel = plot::svg(&Plot::Bars(Bars::default()));
    assert_eq!(no_panel, Err(PlotError::Panels(0)));
    let mut plot = sweep(10);
    plot.marks.push((10, "beyond".into()));
    let missing = plot::svg(&Plot::Scatter(plot.clone()));
    assert_eq!(missing, Err(PlotError::NoSuchPoint { index: 10, len: 10 }));
    plot.points = vec![ScatterPoint::default(); 200_001];
    let found = plot::png(&Plot::Scatter(plot));
    assert!(matches!(
        found,
        Err(PlotError::TooMany { found: 200_001, .. })
    ));
}

#[test]
fn many_bars_are_folded_and_many_groups_share_gray() {
    let mut bars = bars();
    bars.panels[0].groups = (0..40)
        .map(|i| BarGroup {
            label: format!("layer {i}"),
            parts: (0..12)
                .map(|k| (format!("part {k}"), 1.0 + f64::from(k)))
                .collect(),
        })
        .collect();
    let svg = check(&Plot::Bars(bars));
    assert!(svg.contains("25 more") && svg.contains(">other<"));
}

/// Writes the pictures of these tests into the folder named by `WATTLINE_PLOTS`, for eyes.
#[test]
fn pictures_can_be_looked_at() {
    let Some(folder) = std::env::var_os("WATTLINE_PLOTS") else {
        println!("WATTLINE_PLOTS names no folder: nothing is written");
        return;
    };
    for (name, plot) in all() {
        let path = std::path::Path::new(&folder).join(name);
        let start = std::time::Instant::now();
        let svg = plot::svg(&plot).expect("svg");
        let png_start = std::time::Instant::now();
        let png = plot::png(&plot).expect("png");
        println!(
            "{name}: svg {:?}, png {:?}",
            png_start - start,
            png_start.elapsed()
        );
        std::fs::write(path.with_extension("svg"), svg).expect("written");
        std::fs::write(path.with_extension("png"), png).expect("written");
    }
}
