//! The scratchpad model against cycle-exact runs of Gemmini, on layers that its constants were not fitted on.
//!
//! Data: ucb-bar/dosa @a7a3239, `data/firesim_test_data/dataset.csv` (BSD-2-Clause): 126 mappings of 40 layers on a
//! 16x16 weight-stationary Gemmini under FireSim. Six rows are copied here; `WATTLINE_DATA` names a folder with
//! `measured-npu/gemmini-firesim.csv` for all of them.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;

use serde::Deserialize;

use wattline::cost::scratchpad::{Cache, Chip, Constants, Counts, Layer, Mapping, Rank, Sizes};

/// The array, requests and lines: `Configs.scala` of ucb-bar/gemmini. The least rows of an instruction and the caches
/// (512 KiB, and 4 MiB of the simulated memory) from memory of the defaults of Gemmini, Chipyard and FireSim.
const CHIP: Chip = Chip {
    side: 16,
    floor: 4,
    bus: 16,
    request: 64,
    caches: [cache(8192), cache(65_536)],
};

const fn cache(lines: u64) -> Cache {
    Cache {
        line: 64,
        lines,
        ways: 8,
    }
}

/// Where a fit starts: round estimates of the machine, not of its runs.
const ESTIMATES: [f64; 8] = [8.0, 4.0, 4.0, 20.0, 4.0, 1000.0, 100.0, 0.5];

/// Fitted by [`fit`] on all 126 rows, thus only for the six rows below; held-out figures fit their own.
const FITTED: [f64; 8] = [7.298, 3.847, 3.208, 12.467, 6.005, 2076.054, 0.0, 0.166];

/// Six of the 126 rows: products, a first layer, 1x1 and 3x3 convolutions.
const ROWS: &str = "\
mapping,C,K,P,Q,R,S,Wstride,rtl_cycles
L3[WIO] K8 - L2[WI] N1 K16X - L1[O] C4 P8 C16X - L0[W] P16,64,128,128,1,1,1,1,8874
L3[WIO] P7 Q14 - L2[WI] N1 K16X - L1[O] K4 S7 R7 Q2 P4 C3X - L0[W] Q4 P4,3,64,112,112,7,7,2,2464902
L3[WIO] C2 P2 K4 - L2[WI] N1 K16X - L1[O] K4 S3 R3 C8 Q14 P7 C16X - L0[W] N1,256,256,14,14,3,3,2,564993
L3[WIO] P7 K8 - L2[WI] N1 K16X - L1[O] K8 C32 Q7 P2 C16X - L0[W] Q2,512,1024,14,14,1,1,2,1542995
L3[WIO] K2 C8 - L2[WI] N1 K10X - L1[O] K50 C16 C16X - L0[W] N1,2048,1000,1,1,1,1,1,321284
L3[WIO] K16 - L2[WI] N1 K16X - L1[O] S3 R3 C16 Q4 P7 C16X - L0[W] Q7 P4,256,256,28,28,3,3,1,1867158
";

#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
struct Row {
    #[serde(rename = "mapping")]
    mapping: String,
    c: u64,
    k: u64,
    p: u64,
    q: u64,
    r: u64,
    s: u64,
    #[serde(rename = "Wstride")]
    stride: u64,
    #[serde(rename = "rtl_cycles")]
    cycles: f64,
}

/// A layer whose work is counted, and the cycles it took.
struct Case {
    shape: [u64; 7],
    counts: Counts,
    cycles: f64,
}

impl Row {
    fn case(&self) -> Case {
        let &Self {
            c,
            k,
            p,
            q,
            r,
            s,
            stride,
            ..
        } = self;
        let layer = Layer {
            sizes: Sizes { c, k, p, q, r, s },
            stride,
        };
        Case {
            shape: [c, k, p, q, r, s, stride],
            counts: layer.count(&mapping(&self.mapping), &CHIP),
            cycles: self.cycles,
        }
    }
}

/// `L3[..] K8 - L2[..] K16X - ..`: loops of L3 are those over tiles, all others make up the tile.
fn mapping(text: &str) -> Mapping {
    let mut tile = Sizes {
        c: 1,
        k: 1,
        p: 1,
        q: 1,
        r: 1,
        s: 1,
    };
    let mut loops = Vec::new();
    for level in text.split(" - ") {
        for word in level.split_whitespace().skip(1) {
            let rank = match &word[..1] {
                "C" => Rank::C,
                "K" => Rank::K,
                "P" => Rank::P,
                "Q" => Rank::Q,
                "R" => Rank::R,
                "S" => Rank::S,
                "N" => continue, // one image in all rows
                other => panic!("`{other}` is no loop of {text}"),
            };
            let n: u64 = word[1..].trim_end_matches('X').parse().expect("a count");
            if level.starts_with("L3") {
                loops.push((rank, n));
            } else {
                tile = tile.with(rank, tile.of(rank) * n);
            }
        }
    }
    Mapping { tile, loops }
}

fn constants(x: &[f64; 8]) -> Constants {
    let &[pair, request, near, far, store, start, tile, unhidden] = x;
    Constants {
        pair,
        request,
        miss: [near, far],
        store,
        start,
        tile,
        unhidden,
    }
}

/// Mean distance of the logarithms, smooth at 1 %.
fn loss(cases: &[&Case], x: &[f64; 8]) -> f64 {
    let constants = constants(x);
    let distance = |c: &&Case| (c.counts.cycles(&constants) / c.cycles).ln().hypot(0.01);
    cases.iter().map(distance).sum::<f64>() / cases.len() as f64
}

/// Constants that are best for the cases: steps along each constant, and on in a direction that helped.
///
/// Method: R. Hooke, T. A. Jeeves, "Direct search solution of numerical and statistical problems", JACM 8 (1961).
fn fit(cases: &[&Case]) -> [f64; 8] {
    let mut best = ESTIMATES;
    let mut least = loss(cases, &best);
    let mut step = 0.5_f64;
    while step > 1e-3 {
        let (mut at, mut found) = explore(cases, best, least, step);
        if found >= least - 1e-9 {
            step /= 2.0;
            continue;
        }
        while found < least - 1e-9 {
            let ahead = std::array::from_fn(|i| at[i] * at[i] / best[i]);
            (best, least) = (at, found);
            (at, found) = explore(cases, ahead, loss(cases, &ahead), step);
        }
    }
    best
}

fn explore(cases: &[&Case], mut at: [f64; 8], mut least: f64, step: f64) -> ([f64; 8], f64) {
    for i in 0..at.len() {
        for factor in [step.exp(), (-step).exp()] {
            let mut next = at;
            next[i] *= factor;
            let found = loss(cases, &next);
            if found < least {
                (at, least) = (next, found);
                break;
            }
        }
    }
    (at, least)
}

/// Mean, median and 90th percentile, percent of the measured cycles.
fn spread(mut errors: Vec<f64>) -> [f64; 3] {
    errors.sort_by(f64::total_cmp);
    let rank = |share: f64| errors[(share * errors.len() as f64).ceil() as usize - 1];
    let mean = errors.iter().sum::<f64>() / errors.len() as f64;
    [mean, rank(0.5), rank(0.9)]
}

fn error(case: &Case, x: &[f64; 8]) -> f64 {
    100.0 * (case.counts.cycles(&constants(x)) / case.cycles - 1.0).abs()
}

/// Errors of all cases, each under constants fitted on the four fifths of the layers that it is not among.
fn held_out(cases: &[Case], draw: u64) -> Vec<f64> {
    let shapes: BTreeSet<_> = cases.iter().map(|c| c.shape).collect();
    let mut shapes: Vec<_> = shapes.into_iter().collect();
    shuffle(&mut shapes, draw);
    let fold = |case: &Case| {
        let at = shapes.iter().position(|s| *s == case.shape);
        at.expect("every shape is listed") % 5
    };
    (0..5)
        .flat_map(|k| {
            let (held, train): (Vec<_>, Vec<_>) = cases.iter().partition(|c| fold(c) == k);
            let x = fit(&train);
            held.into_iter().map(move |case| error(case, &x))
        })
        .collect()
}

/// Constants of the generator: D. Knuth, MMIX (from memory).
fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed;
    for i in (1..items.len()).rev() {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        items.swap(i, (state >> 33) as usize % (i + 1));
    }
}

fn cases(reader: impl std::io::Read) -> Vec<Case> {
    let mut reader = csv::Reader::from_reader(reader);
    let rows = reader.deserialize().map(|row| row.expect("a row"));
    rows.map(|row: Row| row.case()).collect()
}

fn say(text: &str) {
    // The harness hides what `eprintln` writes.
    let line = format!("gemmini: {text}\n");
    std::io::stderr()
        .write_all(line.as_bytes())
        .expect("stderr");
}

#[test]
fn six_layers() {
    let cases = cases(ROWS.as_bytes());
    assert_eq!(cases.len(), 6);
    let [mean, _, worst] = spread(cases.iter().map(|c| error(c, &FITTED)).collect());
    assert!(mean < 15.0 && worst < 40.0, "{mean} {worst}");
}

#[test]
fn layers_that_were_not_fitted() {
    let folder = std::env::var_os("WATTLINE_DATA").map(PathBuf::from);
    let path = folder.map(|f| f.join("measured-npu/gemmini-firesim.csv"));
    let Some(path) = path.filter(|p| p.exists()) else {
        say("WATTLINE_DATA names no folder with measured-npu/; only six rows are compared");
        return;
    };
    let cases = cases(std::fs::File::open(path).expect("is readable"));
    assert_eq!(cases.len(), 126);
    let all: Vec<_> = cases.iter().collect();
    let x = fit(&all);
    let in_sample = spread(cases.iter().map(|c| error(c, &x)).collect());
    say(&format!(
        "fitted on all rows {x:.3?}: mean, median, p90 {in_sample:.2?} %"
    ));
    for draw in 0..10 {
        let found = spread(held_out(&cases, draw));
        say(&format!(
            "held out, draw {draw}: mean, median, p90 {found:.2?} %"
        ));
        let [mean, median, p90] = found;
        assert!(mean <= 15.0 && median <= 10.0 && p90 <= 40.0, "{found:?}");
    }
}
