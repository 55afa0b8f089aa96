//! Every model of the catalog that is written as operators, against counts made by running the original.
//!
//! Parameters and multiply-accumulates are those that torch 2.15 counts (`sum(p.numel())`, `FlopCounterMode` / 2) on
//! torchvision 0.29, diffusers 0.42, timm 1.0 or plain modules after the named papers; where it says "by hand", the
//! difference to them is spelled out. Convolutions, products and Einsums count; attention over the full square.

use wattline::catalog;
use wattline::hardware::Profile;
use wattline::import;
use wattline::simulate::{self, Fidelity, Memo};
use wattline::workload::{Binding, OpGraph, Phase, Scenario, Stage};

/// Name, parameters, multiply-accumulates at the default sizes.
const COUNTS: &[(&str, f64, f64)] = &[
    ("3d-unet", 31_190_243.0, 477_298_688_000.0),
    ("alexnet", 61_100_840.0, 714_188_480.0),
    ("c3d", 78_409_573.0, 38_547_378_176.0),
    ("conformer-ctc-large", 121_501_313.0, 45_075_473_408.0),
    ("conformer-ctc-small", 13_154_033.0, 5_447_804_384.0),
    ("convnext-tiny", 28_589_128.0, 4_455_531_264.0),
    ("deeplabv3-resnet50", 39_638_869.0, 168_731_205_888.0),
    ("deeponet", 7_401.0, 173_600.0),
    ("densenet-121", 7_978_856.0, 2_834_161_664.0),
    ("dit-xl-2", 675_129_632.0, 118_621_421_568.0),
    ("dlrm", 24_036_595_969.0, 2_458_496.0),
    ("ds-cnn", 23_756.0, 2_656_768.0),
    ("efficientnet-b0", 5_288_548.0, 385_814_752.0),
    ("fcn-resnet50", 32_957_013.0, 142_725_772_800.0),
    ("flux.1-dev", 11_901_408_320.0, 37_192_326_709_248.0),
    // torch counts a complex number and product as one (465 557 and 19 007 488). By hand: 460 800 complex weights are
    // as many numbers more, and 460 800 complex products three more real ones each.
    (
        "fno-2d",
        465_557.0 + 460_800.0,
        19_007_488.0 + 3.0 * 460_800.0,
    ),
    ("meshgraphnet", 2_332_930.0, 15_861_174_400.0),
    ("mobilenet-v1", 4_231_976.0, 568_740_352.0),
    ("mobilenet-v1-0.25", 216_322.0, 7_489_664.0),
    ("mobilenet-v3-large", 5_483_032.0, 216_589_760.0),
    ("neumf", 31_832_577.0, 106_624.0),
    ("openvla-7b", OPENVLA_PARAMETERS, OPENVLA_MACS),
    ("pi0", PI0_PARAMETERS, PI0_MACS),
    ("pointnet", 3_471_473.0, 439_637_248.0),
    ("pointnet2-ssg", 1_475_688.0, 837_527_552.0),
    ("r3d-18", 33_371_472.0, 40_696_553_472.0),
    ("resnet-101", 44_549_160.0, 7_801_405_440.0),
    ("resnet-18", 11_689_512.0, 1_814_073_344.0),
    ("resnet-8", 78_186.0, 12_501_632.0),
    ("resnext-50-32x4d", 25_028_904.0, 4_230_479_872.0),
    ("retinanet-r50-fpn", 34_068_119.0, 151_540_437_248.0),
    // The counter sees no LSTM: its products are steps · 4 · width · (input + width), by hand.
    ("rnn-t", 45_323_549.0, 14_805_504_000.0),
    ("sd-1.5-unet", 859_520_964.0, 401_636_720_640.0),
    ("sd-vae-decoder", 49_490_179.0, 1_257_259_401_216.0),
    ("sd3-medium", 2_028_328_000.0, 4_218_677_526_528.0),
    // The timm tower, 427 680 704, without its pooling head, which these policies do not use. By hand: probe 1152,
    // q, kv and output projections 4 · 1152² + 4 · 1152, norm 2 · 1152, feed-forward 2 · 1152 · 4304 + 4304 + 1152.
    (
        "siglip-so400m-patch14-224",
        427_680_704.0 - 15_238_352.0,
        109_484_310_528.0,
    ),
    ("squeezenet-1.1", 1_235_496.0, 349_151_936.0),
    ("ssd300-vgg16", 35_641_826.0, 34_858_153_472.0),
    ("swin-tiny", 28_288_354.0, 4_490_566_656.0),
    ("toyadmos-autoencoder", 267_928.0, 264_192.0),
    ("unet-2015", 31_030_658.0, 150_428_424_448.0),
    ("unet-brain-mri", 7_763_041.0, 12_071_206_912.0),
    ("vgg-16", 138_357_544.0, 15_470_264_320.0),
    ("vgg-19", 143_667_240.0, 19_632_062_464.0),
    ("wide-resnet-50-2", 68_883_240.0, 11_398_021_120.0),
    ("yolov8n", 3_157_200.0, 4_371_993_600.0),
];

/// The model card's 7 541 237 184, less what no step uses: the pooling head of SigLIP as above, 64 rows of padding
/// of table and head of the language model (64 · 4096 · 2), and the last norm of DINOv2 (2 · 1024).
const OPENVLA_PARAMETERS: f64 = 7_541_237_184.0 - 15_238_352.0 - 524_288.0 - 2_048.0;

/// Counted: both towers and the projector. By hand, Llama 2 7B: 32 layers of 4 · 4096² + 3 · 4096 · 11008 products
/// for 277 tokens and 6 more; attention 2 · 4096 of 277² pairs and of 6 steps to 280 keys; 7 times the head.
const OPENVLA_MACS: f64 = 82_321_784_832.0
    + 109_484_310_528.0
    + 18_270_388_224.0
    + 283.0 * 32.0 * (4.0 * 4096.0 * 4096.0 + 3.0 * 4096.0 * 11_008.0)
    + 32.0 * 2.0 * 4096.0 * (277.0 * 277.0 + 6.0 * 280.0)
    + 7.0 * 4096.0 * 32_000.0;

/// Counted: PaliGemma with its table, the action expert, the projections of actions, state and time.
const PI0_PARAMETERS: f64 = 2_923_335_408.0 + 311_464_960.0 + 3_248_160.0;

/// Counted: three images, 816 tokens of prefix, ten steps of the expert; by hand the projections of each step.
const PI0_MACS: f64 = 3.0 * 110_088_290_304.0
    + 1_666_248_081_408.0
    + 10.0 * 19_142_811_648.0
    + 10.0 * 1024.0 * (50.0 * (32.0 + 2048.0 + 1024.0 + 32.0) + 32.0);

fn graph(name: &str) -> OpGraph {
    let workload = import::model(&catalog::model(name).expect(name)).expect(name);
    let (graph, warnings) = workload.graph(&Binding::infer()).expect(name);
    assert!(warnings.is_empty(), "{name}: {warnings:?}");
    graph
}

#[test]
fn counts_equal_those_of_the_original() {
    for (name, parameters, macs) in COUNTS {
        let graph = graph(name);
        assert_eq!(graph.parameters(), *parameters, "parameters of {name}");
        assert_eq!(graph.macs(), *macs, "multiply-accumulates of {name}");
        let (known, all) = graph.known_operators();
        assert_eq!(known, all, "operators of {name}");
    }
}

#[test]
fn every_graph_of_the_catalog_is_in_the_table() {
    let is_graph = |name: &&str| {
        let entry = catalog::model(name).expect("is in the catalog");
        let source = entry.source().expect("is text");
        source
            .text
            .lines()
            .any(|line| line.starts_with("op =") || line == "[[op]]")
    };
    let written: Vec<&str> = catalog::models().into_iter().filter(is_graph).collect();
    let counted: Vec<&str> = COUNTS.iter().map(|c| c.0).collect();
    assert_eq!(written, counted);
}

#[test]
fn every_model_is_bound_and_priced() {
    let entry = catalog::chip("h100-sxm").expect("is in the catalog");
    let source = entry.source().expect("is text");
    let lookup = |name: &str| {
        let base = catalog::chip(name)?.source()?;
        Ok((base.name.to_string(), base.text.to_string()))
    };
    let profile = Profile::parse(&source.name, &source.text, lookup).expect("is right");
    let (system, _) = profile.evaluate().expect("is right");
    let memo = Memo::new();
    for name in catalog::models() {
        let workload = import::model(&catalog::model(name).expect(name)).expect(name);
        let mut scenario = Scenario::default();
        // Long enough to be a generation, short enough for models of few positions.
        (scenario.prompt, scenario.output) = (128, 4);
        let phase = simulate::phase_of(&workload, &scenario).expect(name);
        let stage = match phase {
            Phase::Infer => Stage::Infer,
            _ => Stage::Tokens {
                tokens: 128,
                past: 0,
            },
        };
        let bound = workload.graph(&simulate::binding(&scenario, stage));
        let (graph, _) = bound.unwrap_or_else(|p| panic!("{name}: {p}"));
        let (known, all) = graph.known_operators();
        assert_eq!(known, all, "{name}");
        let run = simulate::run(&workload, &system, &scenario, Fidelity::Scheduled, &memo);
        let estimate = run.unwrap_or_else(|p| panic!("{name}: {p}"));
        assert!(estimate.totals.latency.0 > 0.0, "{name}");
        assert!(
            estimate.totals.latency >= estimate.totals.roofline_latency,
            "{name}"
        );
        assert!(estimate.totals.energy.is_some(), "{name}");
    }
}

#[test]
fn twice_the_batch_is_twice_the_work() {
    for (name, parameters, macs) in COUNTS {
        let workload = import::model(&catalog::model(name).expect(name)).expect(name);
        if !workload.card().symbols.iter().any(|s| s.name == "batch") {
            continue;
        }
        let mut binding = Binding::infer();
        binding.batch = Some(2);
        let (graph, _) = workload
            .graph(&binding)
            .unwrap_or_else(|p| panic!("{name}: {p}"));
        assert_eq!(graph.parameters(), *parameters, "{name}");
        // Work on what all samples share is done once: positions of a conformer, query points of an operator network.
        let shared = match *name {
            "conformer-ctc-large" => 18.0 * 499.0 * 512.0 * 512.0,
            "conformer-ctc-small" => 16.0 * 499.0 * 176.0 * 176.0,
            "deeponet" => 100.0 * (40.0 + 1600.0),
            _ => 0.0,
        };
        assert_eq!(graph.macs(), 2.0 * macs - shared, "{name}");
    }
}

#[test]
fn a_batch_and_an_image_scale_what_they_should() {
    let workload =
        import::model(&catalog::model("resnet-18").expect("is there")).expect("is right");
    let with = |batch: u64, image: u64| {
        let mut binding = Binding::infer();
        binding.batch = Some(batch);
        binding.dims.insert("image".to_owned(), image);
        workload.graph(&binding).expect("binds").0
    };
    let (one, many) = (with(1, 224), with(8, 224));
    assert_eq!(many.macs(), 8.0 * one.macs());
    assert_eq!(many.parameters(), one.parameters());
    // All but the head (512 · 1000) grow with the pixels, 448 being a multiple of 32.
    let head = 512_000.0;
    assert_eq!(with(1, 448).macs() - head, 4.0 * (one.macs() - head));
}
