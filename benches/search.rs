//! Time of the search for the best mapping: every distinct layer of four networks on every NPU profile, one
//! core, by aim. `cargo bench --bench search [-- PROFILE]`.
//!
//! The mapspace is the profile's own: its fan-outs, what its memories must hold, its tile sets.

use std::time::Instant;

use wattline::cost::Widths;
use wattline::hardware::{Profile, System};
use wattline::mapper::exact::{Aim, Engine, Frontier, Mapspace, Prices, Search};
use wattline::mapping::{Chain, Convention, Nest};
use wattline::workload::{Binding, Einsum, OpKind};
use wattline::{catalog, import};

const PROFILES: [&str; 8] = [
    "gemmini-16x16",
    "tpu-v1",
    "tpu-v4i",
    "simba",
    "nvdla-large",
    "edge-npu",
    "depfin",
    "diana-digital",
];

/// Rows of a Llama-70B block: hidden 8192, 8 of 64 heads for keys, feed-forward 28672.
const LLAMA: [(u64, u64, u64); 4] = [
    (2048, 10240, 8192),
    (2048, 8192, 8192),
    (2048, 57344, 8192),
    (2048, 8192, 28672),
];

fn layers() -> Vec<(String, Einsum)> {
    let mut all: Vec<(String, Einsum)> = Vec::new();
    for name in ["resnet-50", "mobilenet-v2", "bert-base"] {
        let entry = catalog::model(name).expect("is in the catalog");
        let workload = import::model(&entry).expect("imports");
        let (graph, _) = workload.graph(&Binding::infer()).expect("builds");
        for op in graph.operators() {
            if let OpKind::Einsum { einsum, .. } = &op.kind
                && !all.iter().any(|(_, known)| known == einsum)
            {
                all.push((format!("{name} {}", op.name), einsum.clone()));
            }
        }
    }
    for (m, n, k) in LLAMA {
        all.push((format!("llama {m}x{n}x{k}"), Einsum::matmul(1, m, n, k)));
    }
    all
}

/// Fronts as `run` and `sweep` look for them, and the score of all their points under the chip's prices.
fn fronts(profile: &str, system: &System, layers: &[(String, Einsum)]) {
    let dtype = system.dtypes()[0];
    let chain = Chain::of(system, 0);
    let (mut times, mut scores, mut points) = (Vec::new(), Vec::new(), Vec::new());
    for (_, einsum) in layers {
        let space = Mapspace {
            einsum,
            system,
            widths: WIDTHS,
            convention: Convention::Physical,
            uneven: system.uneven,
        };
        let start = Instant::now();
        let front = space.front(0, Frontier::default());
        times.push(start.elapsed().as_secs_f64() * 1e3);
        let Some(front) = front else { continue };
        points.push(front.points.len());
        let engine = Engine::of(system, 0, dtype, einsum, Convention::Physical);
        let prices = Prices::of(&space, &chain, engine);
        let start = Instant::now();
        let rounds = 1000;
        for _ in 0..rounds {
            let costs = front.points.iter().map(|p| prices.cost(&p.counts));
            std::hint::black_box(costs.fold(f64::INFINITY, |least, c| least.min(c.0 * c.1)));
        }
        scores.push(start.elapsed().as_secs_f64() * 1e6 / f64::from(rounds));
    }
    times.sort_by(f64::total_cmp);
    scores.sort_by(f64::total_cmp);
    points.sort_unstable();
    let at = |n: usize, share: f64| ((n - 1) as f64 * share) as usize;
    let (t, s, p) = (times.len(), scores.len(), points.len());
    println!(
        "{profile:>14} front: {:.3} {:.3} {:.3}; {} points, most {}; scored in {:.3} us, at most {:.3}",
        times[at(t, 0.5)],
        times[at(t, 0.9)],
        times[t - 1],
        points[at(p, 0.5)],
        points[p - 1],
        scores[at(s, 0.5)],
        scores[s - 1]
    );
}

const WIDTHS: Widths = Widths {
    lhs: 1.0,
    rhs: 1.0,
    partial: 4.0,
    result: 1.0,
};

fn main() {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with('-'))
        .collect();
    let layers = layers();
    println!(
        "{} layers; milliseconds: median, nine tenths, worst; layers with a gap, its largest",
        layers.len()
    );
    for profile in PROFILES {
        if !wanted.is_empty() && !wanted.iter().any(|w| profile.contains(w.as_str())) {
            continue;
        }
        let (system, _) = Profile::named(profile)
            .expect("parses")
            .evaluate()
            .expect("evaluates");
        let dtype = system.dtypes()[0];
        fronts(profile, &system, &layers);
        for aim in [Aim::Energy, Aim::Latency, Aim::Edp] {
            let mut times: Vec<(f64, &str, u64)> = Vec::new();
            let (mut gaps, mut worst) = (0, 0.0_f64);
            for (name, einsum) in &layers {
                let engine = Engine::of(&system, 0, dtype, einsum, Convention::Physical);
                let space = Mapspace {
                    einsum,
                    system: &system,
                    widths: WIDTHS,
                    convention: Convention::Physical,
                    uneven: false,
                };
                let chain = Chain::of(&system, 0);
                let mut price = |nest: &Nest| {
                    let e = wattline::cost::evaluate(
                        einsum,
                        dtype,
                        &system,
                        &chain,
                        nest,
                        &WIDTHS,
                        Convention::Physical,
                    );
                    (e.energy().map_or(0.0, |e| e.0), e.latency.0)
                };
                let how = Search {
                    aim,
                    limit: 300_000,
                };
                let start = Instant::now();
                let found = space.search(0, engine, how, &mut price);
                let time = start.elapsed().as_secs_f64() * 1e3;
                match &found {
                    Some(found) => {
                        times.push((time, name, found.steps));
                        if found.gap() > 1e-9 {
                            gaps += 1;
                            worst = worst.max(found.gap());
                        }
                    }
                    None => println!("{profile} {name}: nothing fits"),
                }
            }
            times.sort_by(|a, b| a.0.total_cmp(&b.0));
            let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].0;
            let last = times.last().expect("layers");
            println!(
                "{profile:>14} {aim:?}: {:.3} {:.3} {:.3} ({} with {} steps) gaps {gaps} {worst:.4}",
                at(0.5),
                at(0.9),
                last.0,
                last.1,
                last.2
            );
        }
    }
}
