//! Eyeriss from one description: words of given mappings, the mappings that are found, and the published figures.
//!
//! Source: Chen et al., "Eyeriss: An Energy-Efficient Reconfigurable Accelerator for Deep Convolutional Neural
//! Networks", JSSC 52(1), 2017, tables III (mappings of AlexNet), V and VI (measured time, power, accesses).

use wattline::catalog;
use wattline::cost::{RowWork, Traffic, Widths, account, sparse::Zeros};
use wattline::diag::Problems;
use wattline::hardware::{Profile, System};
use wattline::import;
use wattline::mapper::{NotRowStationary, Objective, Request, row_stationary};
use wattline::mapping::{Chain, ConvSizes, Convention, RowPlan};
use wattline::simulate::{Estimate, Fidelity, Memo, run};
use wattline::workload::{ConvDim, Density, Dtype, Einsum, Scenario, Slot, Stack, Workload};

const PROFILE: &str = include_str!("../hw-profiles/eyeriss.toml");

const WORDS: Widths = Widths {
    lhs: 2.0,
    rhs: 2.0,
    partial: 2.0,
    result: 2.0,
};

fn profile(text: &str) -> Result<Profile, Problems> {
    Profile::parse("eyeriss", text, |_| Err(Problems::new()))
}

fn chip() -> System {
    let profile = profile(PROFILE).unwrap_or_else(|e| panic!("{e}"));
    let (system, warnings) = profile.evaluate().unwrap_or_else(|e| panic!("{e}"));
    assert!(warnings.is_empty(), "{warnings:?}");
    system
}

/// A layer with a mapping `(m, n, e, p, q, r, t, F)` and what it moves.
struct Case {
    name: &'static str,
    /// Images, groups, filters and channels of a group.
    sizes: [u64; 4],
    /// Stored inputs, outputs, taps, stride.
    side: [u64; 4],
    plan: [u64; 8],
    /// Words of main memory without coding: `[ifmap, filters, ofmap]`.
    main: [f64; 3],
    /// Of the buffer: `[ifmap reads, partial sums both ways]`.
    buffer: [f64; 2],
    cycles: f64,
    /// Zeros of input and output; `None` is stored as it is.
    zeros: (Option<f64>, f64),
    /// Coded words of main memory.
    coded: f64,
    /// Whether the search returns this mapping.
    found: bool,
}

/// AlexNet with the mappings of table III; of VGG-16 those of the fewest coded words. Words were counted from the
/// mapping rules by a program of its own; buffer accesses of CONV1, 2 and 4 are those of table V: 18.5, 77.6 and
/// 37.4 MB. CONV1-2 of VGG-16 stores its results as they are: 24.8 % of zeros do not pay for their run lengths.
#[rustfmt::skip]
const CASES: [Case; 9] = [
    Case { name: "AlexNet CONV1", sizes: [4, 1, 96, 3], side: [227, 55, 11, 4], plan: [96, 1, 7, 16, 1, 1, 2, 55],
        main: [751_824.0, 1_115_136.0, 1_161_600.0], buffer: [2_255_472.0, 6_969_600.0], cycles: 3_320_064.0,
        zeros: (None, 0.387), coded: 2_816_374.0, found: true },
    Case { name: "AlexNet CONV2", sizes: [4, 2, 128, 48], side: [27, 27, 5, 1], plan: [64, 1, 27, 16, 2, 1, 1, 27],
        main: [559_872.0, 1_228_800.0, 746_496.0], buffer: [2_952_192.0, 35_831_808.0], cycles: 7_606_272.0,
        zeros: (Some(0.387), 0.725), coded: 1_960_117.0, found: false },
    Case { name: "AlexNet CONV3", sizes: [4, 1, 384, 256], side: [13, 13, 3, 1], plan: [64, 4, 13, 16, 4, 1, 4, 13],
        main: [1_038_336.0, 884_736.0, 259_584.0], buffer: [1_382_400.0, 33_226_752.0], cycles: 4_374_528.0,
        zeros: (Some(0.725), 0.793), coded: 1_337_104.0, found: true },
    Case { name: "AlexNet CONV4", sizes: [4, 2, 192, 192], side: [13, 13, 3, 1], plan: [64, 4, 13, 16, 3, 2, 2, 13],
        main: [778_752.0, 663_552.0, 259_584.0], buffer: [2_073_600.0, 16_613_376.0], cycles: 3_360_768.0,
        zeros: (Some(0.793), 0.776), coded: 956_017.0, found: true },
    Case { name: "AlexNet CONV5", sizes: [4, 2, 128, 192], side: [13, 13, 3, 1], plan: [64, 4, 13, 16, 3, 2, 2, 13],
        main: [519_168.0, 442_368.0, 173_056.0], buffer: [1_382_400.0, 11_075_584.0], cycles: 2_240_512.0,
        zeros: (Some(0.776), 0.776), coded: 649_112.0, found: true },
    Case { name: "VGG-16 CONV1-2", sizes: [3, 1, 64, 64], side: [224, 224, 3, 1], plan: [64, 1, 6, 8, 1, 1, 8, 112],
        main: [12_930_816.0, 8_404_992.0, 9_633_792.0], buffer: [13_132_800.0, 1_233_125_376.0],
        cycles: 156_241_920.0, zeros: (Some(0.477), 0.248), coded: 27_055_873.0, found: true },
    Case { name: "VGG-16 CONV3-2", sizes: [3, 1, 256, 256], side: [56, 56, 3, 1], plan: [64, 1, 12, 16, 2, 1, 4, 56],
        main: [11_010_048.0, 8_847_360.0, 2_408_448.0], buffer: [11_759_616.0, 616_562_688.0],
        cycles: 79_282_176.0, zeros: (Some(0.581), 0.587), coded: 16_324_559.0, found: true },
    Case { name: "VGG-16 CONV4-2", sizes: [3, 1, 512, 512], side: [28, 28, 3, 1], plan: [32, 3, 14, 16, 2, 2, 2, 28],
        main: [20_643_840.0, 4_718_592.0, 1_204_224.0], buffer: [23_592_960.0, 308_281_344.0],
        cycles: 39_714_816.0, zeros: (Some(0.747), 0.854), coded: 11_916_870.0, found: true },
    Case { name: "VGG-16 CONV5-1", sizes: [3, 1, 512, 512], side: [14, 14, 3, 1], plan: [64, 3, 14, 16, 4, 2, 2, 14],
        main: [2_408_448.0, 2_359_296.0, 301_056.0], buffer: [6_291_456.0, 38_535_168.0],
        cycles: 9_535_488.0, zeros: (Some(0.794), 0.874), coded: 3_071_394.0, found: true },
];

impl Case {
    fn einsum(&self) -> Einsum {
        let [input, output, kernel, stride] = self.side;
        let dim = ConvDim {
            input,
            output,
            kernel,
            stride: stride as u32,
            dilation: 1,
        };
        let [images, groups, filters, channels] = self.sizes;
        Einsum::conv(images, groups, filters, channels, &[dim, dim])
    }

    /// Sets side by side on the columns as far as there is room, else one above the other.
    fn plan(&self) -> RowPlan {
        let [m, n, e, p, q, r, t, f] = self.plan;
        let above = (12 / self.side[2] / e.div_ceil(14) / r).min(t);
        RowPlan {
            m,
            n,
            e,
            p,
            q,
            r,
            t: [above, t / above],
            f,
        }
    }

    /// Share of the width that a word takes: 5 bits of run, 16 of value, three pairs in 64 bits, no padding pairs.
    fn zeros(&self) -> Zeros {
        let coded = |zeros: f64| Some(((1.0 - zeros) * 64.0 / 48.0).min(1.0));
        let mut zeros = Zeros::none();
        if let Some(share) = self.zeros.0 {
            zeros.densities[0] = Density::Uniform {
                density: 1.0 - share,
                elements: f64::INFINITY,
            };
        }
        zeros
            .packed
            .push([self.zeros.0.and_then(coded), None, coded(self.zeros.1)]);
        zeros
    }
}

#[test]
fn words_and_cycles_equal_a_count_by_the_rules() {
    let system = chip();
    for case in &CASES {
        let (einsum, plan, zeros) = (case.einsum(), case.plan(), case.zeros());
        let conv = ConvSizes::of(&einsum).expect("a convolution");
        let work = RowWork {
            conv: &conv,
            system: &system,
            rows: system.dataflow.as_ref().expect("is row-stationary"),
            dtype: Dtype::Int16,
            widths: &WORDS,
        };
        let words = work.words(&plan);
        assert_eq!(words.main, case.main, "{}", case.name);
        assert_eq!(words.buffer, case.buffer, "{}", case.name);
        assert_eq!(work.cycles(&plan), case.cycles, "{}", case.name);
        let (cost, _) = work.price(&einsum, &plan, &zeros);
        let coded = cost.traffic[0].total().0 / 2.0;
        assert!((coded - case.coded).abs() <= 1.0, "{}: {coded}", case.name);
    }
}

/// The general accounting of the nest gives the same words, where it does not tell inputs of folds, of the last
/// strip and of padding apart.
#[test]
fn words_equal_the_accounting_of_the_nest() {
    let system = chip();
    let rows = system.dataflow.as_ref().expect("is row-stationary");
    let chain = Chain::of(&system, 0);
    for case in &CASES {
        let (einsum, plan) = (case.einsum(), case.plan());
        let conv = ConvSizes::of(&einsum).expect("a convolution");
        let nest = plan.nest(&conv, &system, &chain, rows);
        let padded = conv.padded(&einsum);
        let found = account(&padded, &system, &chain, &nest, Convention::Physical);
        let at = |level: usize, slot: Slot| found.levels[level][slot as usize];
        assert_eq!(at(0, Slot::Rhs).reads, case.main[1], "{}", case.name);
        let sums = at(0, Slot::Acc);
        assert_eq!((sums.updates, sums.reads), (case.main[2], 0.0));
        // Written once a pass, read to be added to in all but the first, and to leave.
        let (read, written) = (at(1, Slot::Acc).reads, at(1, Slot::Acc).updates);
        assert_eq!((read + written, read), (case.buffer[1], written));
        let [row, column] = conv.sides;
        let stored = (row.fetched(plan.e) * column.fetched(plan.f)) as f64;
        let all = (row.touched(plan.e) * column.touched(plan.f)) as f64;
        let inputs = at(0, Slot::Lhs).reads * stored / all;
        assert!((inputs / case.main[0] - 1.0).abs() < 1e-12, "{}", case.name);
        let exact = plan.e <= 14 && row.outputs.is_multiple_of(plan.e);
        let close = if exact { 1e-12 } else { 0.13 };
        let reads = at(1, Slot::Lhs).reads;
        assert!(
            (reads / case.buffer[0] - 1.0).abs() < close,
            "{}",
            case.name
        );
    }
}

fn request<'a>(einsum: &'a Einsum, zeros: &'a Zeros) -> Request<'a> {
    Request {
        einsum,
        dtype: Dtype::Int16,
        widths: WORDS,
        compulsory: Traffic::default(),
        zeros,
        objective: Objective::Latency,
        stack: Stack::Default,
    }
}

#[test]
fn the_search_finds_the_published_mappings() {
    let system = chip();
    for case in &CASES {
        let (einsum, zeros) = (case.einsum(), case.zeros());
        let choice = row_stationary(&system, &request(&einsum, &zeros)).expect("fits");
        assert!(choice.is_best, "{}", case.name);
        if case.found {
            assert_eq!(choice.plan, case.plan(), "{}", case.name);
        } else {
            // 8 % fewer coded words than the published (64, 1).
            assert_eq!((choice.plan.m, choice.plan.n), (32, 2), "{}", case.name);
        }
    }
}

#[test]
fn what_does_not_run_row_stationary_says_why() {
    #[track_caller]
    fn check(system: &System, einsum: &Einsum, why: NotRowStationary) {
        let found = row_stationary(system, &request(einsum, &Zeros::none()));
        assert_eq!(found.err(), Some(why));
    }
    let system = chip();
    let dim = |kernel: u64, dilation: u32| ConvDim {
        input: 64,
        output: 64,
        kernel,
        stride: 1,
        dilation,
    };
    let conv = |dim: ConvDim| Einsum::conv(1, 1, 64, 64, &[dim, dim]);
    let large = NotRowStationary::Filter {
        size: [13, 13],
        rows: 12,
        taps: 12,
    };
    check(&system, &conv(dim(13, 1)), large);
    check(&system, &conv(dim(3, 2)), NotRowStationary::Kind);
    let line = Einsum::conv(1, 1, 64, 64, &[dim(3, 1)]);
    check(&system, &line, NotRowStationary::Kind);
    let mut small = system.clone();
    small.memories[1].banks = Some(1);
    check(&small, &conv(dim(3, 1)), NotRowStationary::Room);
    let mut free = system;
    free.dataflow = None;
    check(&free, &conv(dim(3, 1)), NotRowStationary::Chip);
}

#[test]
fn a_chip_that_cannot_run_row_stationary_says_what_it_lacks() {
    for (from, to, lacks) in [
        (
            "in = [\"glb\", \"filter-prefetch\"]",
            "in = \"dram\"",
            "`lhs` and `acc` directly above",
        ),
        ("dataflow = \"row-stationary\"", "", "belongs to a dataflow"),
        (
            "dataflow = \"row-stationary\"",
            "dataflow = \"rows\"",
            "known are: any, row-stationary",
        ),
        ("sum_cycles = 1", "sum_cycles = -1", "must lie within"),
        ("banks = 25", "banks = 0", "must lie within"),
    ] {
        assert!(PROFILE.contains(from), "{from}");
        let found = profile(&PROFILE.replace(from, to)).and_then(|p| p.evaluate());
        let problems = found.expect_err(to).to_string();
        assert!(problems.contains(lacks), "{problems}");
    }
}

/// Frames a second, watts, words of main memory for a MAC of all convolutions.
fn figures(name: &str, images: f64) -> [f64; 3] {
    let path = format!("examples/{name}.toml");
    let estimate = priced(&model(&path), &chip(), images);
    let convolutions = estimate.phases[0].operators.iter();
    let convolutions: Vec<_> = convolutions.filter(|o| o.macs > 0.0).collect();
    let sum = |of: &dyn Fn(&&wattline::simulate::OperatorEstimate) -> f64| -> f64 {
        convolutions.iter().map(of).sum()
    };
    let time = sum(&|o| o.latency.0);
    let energy = sum(&|o| o.power.expect("is known").0 * o.latency.0);
    let bytes = sum(&|o| o.bytes[0].1.0);
    [images / time, energy / time, bytes / 2.0 / sum(&|o| o.macs)]
}

fn model(path: &str) -> Workload {
    let entry = catalog::model(path).unwrap_or_else(|e| panic!("{e}"));
    import::model(&entry).unwrap_or_else(|e| panic!("{e}"))
}

fn priced(model: &Workload, system: &System, images: f64) -> Estimate {
    let mut scenario = Scenario::default();
    for (key, value) in [("batch", images.to_string()), ("dtype", "int16".to_owned())] {
        scenario.set(key, &value).unwrap_or_else(|e| panic!("{e}"));
    }
    let found = run(model, system, &scenario, Fidelity::Scheduled, &Memo::new());
    found.unwrap_or_else(|e| panic!("{e}"))
}

/// Published: 34.7 and 0.7 frames/s, 278 and 236 mW, 0.0029 and 0.0035 accesses of main memory a MAC.
#[test]
fn val_alexnet_and_vgg_are_within_ten_percent() {
    for (name, images, published) in [
        ("alexnet-zeros", 4.0, [34.7, 0.278, 0.0029]),
        ("vgg-16-zeros", 3.0, [0.7, 0.236, 0.0035]),
    ] {
        let found = figures(name, images);
        for (found, published) in found.into_iter().zip(published) {
            let error = found / published - 1.0;
            eprintln!(
                "{name}: {found:.5}, published {published}: {:+.1} %",
                100.0 * error
            );
            assert!(error.abs() < 0.1, "{name}: {found} {published}");
        }
    }
}
