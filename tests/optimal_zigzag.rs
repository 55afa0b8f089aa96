//! ZigZag's own mappings on its TPU-like example chip are never better than the best mapping here, by the same
//! books.
//!
//! Source of the mappings: runs of zigzag-dse 3.9.1, see `tests/zigzag.rs`.

use std::io::Write;

use wattline::cost::{Widths, evaluate};
use wattline::diag::Source;
use wattline::hardware::Profile;
use wattline::mapper::exact::{Aim, Engine, Mapspace, Search};
use wattline::mapping::{Chain, MapProblem, Nest};

#[test]
fn no_mapping_of_zigzag_is_better() {
    let (system, _) = Profile::named("zigzag-tpu-like")
        .expect("parses")
        .evaluate()
        .expect("evaluates");
    let chain = Chain::of(&system, 0);
    let dtype = system.dtypes()[0];
    let folder = std::fs::read_dir("tests/zigzag").expect("it is there");
    let mut paths: Vec<_> = folder
        .map(|entry| entry.expect("readable").path())
        .collect();
    paths.retain(|p| {
        p.file_name()
            .is_some_and(|n| n.to_string_lossy().starts_with("tpu-"))
    });
    paths.sort();
    let (mut compared, mut better, mut proven) = (0, 0, 0);
    for path in paths {
        let text = std::fs::read_to_string(&path).expect("readable");
        let name = path.display().to_string();
        let problem =
            MapProblem::parse(&Source::new(name.as_str(), text)).unwrap_or_else(|e| panic!("{e}"));
        let [lhs, rhs, partial] = problem.bits.map(|b| b / 8.0);
        let widths = Widths {
            lhs,
            rhs,
            partial,
            result: problem.result_bits / 8.0,
        };
        let einsum = &problem.einsum;
        let mut price = |nest: &Nest| {
            let e = evaluate(
                einsum,
                dtype,
                &system,
                &chain,
                nest,
                &widths,
                problem.convention,
            );
            (e.energy().expect("all energies are given").0, e.latency.0)
        };
        let theirs = problem.nest(&system, &chain).expect("a nest is given");
        let theirs = price(&theirs.unwrap_or_else(|e| panic!("{e}"))).0;
        let space = Mapspace {
            einsum,
            system: &system,
            widths,
            convention: problem.convention,
            uneven: false,
        };
        let how = Search {
            aim: Aim::Energy,
            limit: u64::MAX,
        };
        let engine = Engine::of(&system, 0, dtype, einsum, problem.convention);
        let found = space.search(0, engine, how, &mut price).expect("fits");
        assert!(found.is_whole, "{name}");
        proven += usize::from(found.gap() == 0.0);
        let ours = price(&found.nest).0;
        assert!(
            ours <= theirs * (1.0 + 1e-9),
            "{name}: {ours} against {theirs}"
        );
        compared += 1;
        better += usize::from(ours < theirs * (1.0 - 1e-6));
    }
    assert!(compared >= 12, "{compared} mappings");
    let line =
        format!("{compared} mappings of ZigZag, {better} of them beaten, {proven} optima proven\n");
    std::io::stderr()
        .write_all(line.as_bytes())
        .expect("stderr");
}
