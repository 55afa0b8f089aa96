//! On shipped chips the best mapping against the nests of the heuristic list.
//!
//! The list may pad a rank by more than the search does, which now and then pays where an engine waits for
//! operands; such a layer is rare and close.

use wattline::catalog;
use wattline::cost::{Traffic, Widths, evaluate, sparse::Zeros};
use wattline::hardware::Profile;
use wattline::import;
use wattline::mapper::exact::{Aim, Engine, Mapspace, Search};
use wattline::mapper::{Objective, Request, proposals};
use wattline::mapping::{Chain, Convention, Nest};
use wattline::workload::{Binding, Einsum, OpKind, Stack};

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

/// How many times the best of the list costs what the search finds, by layer and aim.
fn gains(profile: &str, most: usize) -> Vec<f64> {
    let (system, _) = Profile::named(profile)
        .expect("parses")
        .evaluate()
        .expect("evaluates");
    let dtype = system.dtypes()[0];
    let chain = Chain::of(&system, 0);
    let mut gains = Vec::new();
    for (name, einsum) in layers().into_iter().take(most) {
        let mut price = |nest: &Nest| {
            let e = evaluate(
                &einsum,
                dtype,
                &system,
                &chain,
                nest,
                &WIDTHS,
                Convention::Physical,
            );
            assert!(e.overfull().next().is_none(), "{profile} {name}: tiles fit");
            (e.energy().map_or(0.0, |e| e.0), e.latency.0)
        };
        let request = Request {
            einsum: &einsum,
            dtype,
            widths: WIDTHS,
            compulsory: Traffic::default(),
            zeros: &Zeros::none(),
            objective: Objective::Latency,
            stack: Stack::Default,
        };
        let nests = proposals(&system, 0, &request).expect("fits");
        let proposed: Vec<(f64, f64)> = nests.iter().map(&mut price).collect();
        for aim in [Aim::Energy, Aim::Latency, Aim::Edp] {
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
                limit: u64::MAX,
            };
            let found = space.search(0, engine, how, &mut price).expect("fits");
            assert!(found.is_whole, "{profile} {name}");
            let again = price(&found.nest);
            let value = aim.value(again.0, again.1).0;
            assert!((value / found.value - 1.0).abs() < 1e-9, "{profile} {name}");
            let keys = proposed.iter().map(|&(e, t)| aim.value(e, t).0);
            gains.push(keys.min_by(f64::total_cmp).expect("proposals") / found.value);
        }
    }
    gains.sort_by(f64::total_cmp);
    gains
}

#[test]
fn the_best_mapping_beats_the_list() {
    // Layers of the slower searches are few: the test must end.
    for (profile, layers) in [
        ("gemmini-16x16", 40),
        ("tpu-v1", 40),
        ("tpu-v4i", 60),
        ("nvdla-large", 60),
        ("edge-npu", 20),
        ("simba", 3),
        ("depfin", 40),
        ("diana-digital", 40),
    ] {
        let gains = gains(profile, layers);
        let worse = gains.iter().filter(|g| **g < 1.0 - 1e-9).count();
        assert!(
            worse * 10 <= gains.len(),
            "{profile}: {worse} of {}",
            gains.len()
        );
        assert!(gains[0] > 0.85, "{profile}: {}", gains[0]);
    }
}
