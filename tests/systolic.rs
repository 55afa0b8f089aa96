//! Systolic arrays against every figure of SCALE-Sim that is held in `tests/measured/scalesim-cycles.csv`.

use serde::Deserialize;

use wattline::cost::systolic::{Array, Edges, Load, Model, Product, Run, run};
use wattline::workload::Slot;

#[derive(Deserialize)]
struct Row {
    side: u64,
    dataflow: String,
    network: String,
    layer: String,
    m: u64,
    n: u64,
    k: u64,
    cycles: f64,
    utilization_pct: f64,
    occupied_pct: Option<f64>,
    lhs_read: Option<f64>,
    rhs_read: Option<f64>,
    acc_written: Option<f64>,
}

impl Row {
    fn name(&self) -> String {
        let Self { side, layer, .. } = self;
        format!(
            "{} {layer} {} on {side}x{side}",
            self.network, self.dataflow
        )
    }

    fn run(&self, model: Model) -> Run {
        let stationary = match self.dataflow.as_str() {
            "os" => Slot::Acc,
            "ws" => Slot::Rhs,
            "is" => Slot::Lhs,
            other => panic!("`{other}` is no dataflow"),
        };
        run(
            square(self.side),
            product(self.m, self.n, self.k),
            stationary,
            model,
        )
    }
}

fn square(side: u64) -> Array {
    Array {
        rows: side,
        columns: side,
        load: Load::Behind,
        edges: Edges::Partial,
    }
}

fn product(m: u64, n: u64, k: u64) -> Product {
    Product { groups: 1, m, n, k }
}

fn rows() -> Vec<Row> {
    let text = include_str!("measured/scalesim-cycles.csv");
    let mut reader = csv::ReaderBuilder::new()
        .comment(Some(b'#'))
        .from_reader(text.as_bytes());
    let rows: Result<Vec<Row>, csv::Error> = reader.deserialize().collect();
    rows.expect("is valid CSV")
}

#[test]
fn val_scale_sim_is_reproduced_to_the_printed_digit() {
    let rows = rows();
    let mut ran = 0;
    for row in &rows {
        let found = row.run(Model::ScaleSim);
        assert_eq!(found.cycles, row.cycles, "cycles of {}", row.name());
        let near = |found: f64, printed: f64| (100.0 * found - printed).abs() < 6e-5;
        let printed = row.utilization_pct;
        assert!(near(found.utilization, printed), "{}", row.name());
        let elements = found.elements;
        let counts = [
            (elements.lhs_read, row.lhs_read),
            (elements.rhs_read, row.rhs_read),
            (elements.acc_written, row.acc_written),
        ];
        for (found, printed) in counts {
            assert_eq!(
                found,
                printed.unwrap_or(found),
                "accesses of {}",
                row.name()
            );
        }
        if let Some(printed) = row.occupied_pct {
            ran += 1;
            assert!(near(found.occupied, printed), "{}", row.name());
        }
    }
    assert_eq!((rows.len(), ran), (192, 126));
}

/// Totals over the layers of a network; repeated layers count once each.
#[test]
fn val_scale_sim_totals_of_alexnet() {
    let total = |side: u64, dataflow: &str, model| {
        let all = rows()
            .into_iter()
            .filter(move |r| r.network == "alexnet" && r.side == side && r.dataflow == dataflow);
        all.map(|r| r.run(model).cycles).sum::<f64>()
    };
    assert_eq!(total(32, "os", Model::ScaleSim), 850_960.0);
    assert_eq!(total(32, "ws", Model::ScaleSim), 1_136_239.0);
    assert_eq!(total(128, "is", Model::ScaleSim), 146_717.0);
}

#[test]
fn overlap_lies_between_the_peak_and_scale_sim_on_every_row() {
    for row in rows() {
        let (better, peer) = (row.run(Model::Overlapped), row.run(Model::ScaleSim));
        let peak = (row.m * row.n * row.k) as f64 / (row.side * row.side) as f64;
        assert!(better.cycles <= peer.cycles + 1.0, "{}", row.name());
        assert!(better.cycles >= peak, "{}", row.name());
        assert!(better.elements.acc_written <= peer.elements.acc_written);
    }
}

/// Complete runs with the memory model: the array never waits there, so the cycles are those of the closed form.
///
/// Source: SCALE-Sim 3.0.0, 32x32, 64 KB buffers: total cycles and SRAM accesses of four convolutions.
#[test]
fn val_scale_sim_runs_with_memories() {
    let cases = [
        (25, 384, 1728, Slot::Rhs, 77_111.0),
        (25, 384, 1728, Slot::Acc, 21_479.0),
        (49, 512, 2048, Slot::Acc, 67_519.0),
        (121, 64, 3456, Slot::Acc, 28_143.0),
    ];
    for (m, n, k, stationary, cycles) in cases {
        let found = run(square(32), product(m, n, k), stationary, Model::ScaleSim);
        assert_eq!(found.cycles, cycles);
    }
    let found = run(
        square(32),
        product(25, 384, 1728),
        Slot::Rhs,
        Model::ScaleSim,
    );
    let elements = found.elements;
    assert_eq!(elements.lhs_read, 518_400.0);
    assert_eq!(elements.rhs_read, 663_552.0);
    assert_eq!(elements.acc_written, 518_400.0);
}
