//! On shipped chips the best mapping is never worse than a nest of the heuristic list.

use wattline::catalog;
use wattline::cost::{Traffic, Widths, evaluate, sparse::Zeros};
use wattline::hardware::Profile;
use wattline::import;
use wattline::mapper::exact::{Aim, Engine, Mapspace, Search};
use wattline::mapper::{Objective, Request, proposals};
use wattline::mapping::{Chain, Convention, Nest};
use wattline::workload::{Binding, Einsum, OpKind};

const WIDTHS: Widths = Widths {
    lhs: 1.0,
    rhs: 1.0,
    partial: 4.0,
    result: 1.0,
};

fn layers() -> Vec<(String, Einsum)> {
    let mut all: Vec<(String, Einsum)> = Vec::new();
    for name in ["resnet-18", "mobilenet-v2", "bert-base"] {
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
    all
}

#[test]
fn the_best_mapping_is_no_worse_than_any_proposal() {
    let mut worse = Vec::new();
    let mut gains = Vec::new();
    for profile in [
        "gemmini-16x16",
        "tpu-v1",
        "tpu-v4i",
        "nvdla-large",
        "edge-npu",
        "simba",
        "depfin",
        "diana-digital",
    ] {
        let system = Profile::named(profile).expect("parses").evaluate().expect("evaluates").0;
        let dtype = system.dtypes()[0];
        let chain = Chain::of(&system, 0);
        for (name, einsum) in layers() {
            let mut price = |nest: &Nest| {
                let e = evaluate(&einsum, dtype, &system, &chain, nest, &WIDTHS, Convention::Physical);
                (e.energy().map_or(0.0, |e| e.0), e.latency.0)
            };
            let request = Request {
                einsum: &einsum,
                dtype,
                widths: WIDTHS,
                compulsory: Traffic::default(),
                zeros: &Zeros::none(),
                objective: Objective::Latency,
            };
            let nests = proposals(&system, 0, &request).expect("fits");
            let proposed: Vec<(f64, f64)> = nests.iter().map(&mut price).collect();
            for aim in [Aim::Energy, Aim::Latency] {
                let space = Mapspace {
                    einsum: &einsum,
                    system: &system,
                    widths: WIDTHS,
                    convention: Convention::Physical,
                    uneven: false,
                };
                let engine = Engine::of(&system, 0, dtype, &einsum, Convention::Physical);
                let how = Search {
                    aim,
                    limit: 300_000,
                };
                let found = space.search(0, engine, how, &mut price).expect("fits");
                if !found.is_whole { eprintln!("LIMIT {profile} {name} {aim:?} {:.4}", found.gap()); }
                let keys = proposed.iter().map(|&(e, t)| aim.value(e, t).0);
                let least = keys.min_by(f64::total_cmp).expect("proposals");
                gains.push(least / found.value);
                if least < found.value * (1.0 - 1e-9) {
                    worse.push(format!("{profile} {name} {aim:?} {}", found.value / least));
                }
            }
        }
    }
    gains.sort_by(f64::total_cmp);
    eprintln!("median {} p90 {} max {}", gains[gains.len()/2], gains[gains.len()*9/10], gains[gains.len()-1]);
    assert!(worse.is_empty(), "{} of {}: {worse:#?}", worse.len(), gains.len());
}
