//! Any text as a config.json: read, and bound for a pass, a prompt and a step.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wattline::import::hf;
use wattline::workload::{Binding, Stage};

fuzz_target!(|text: &str| {
    let Ok(model) = hf::read("fuzzed", "config.json", text) else {
        return;
    };
    let mut binding = Binding::infer();
    let stages = [
        Stage::Infer,
        Stage::Tokens { tokens: 7, past: 0 },
        Stage::Tokens { tokens: 1, past: 9 },
        Stage::Check { tokens: 3, past: 5 },
    ];
    for stage in stages {
        binding.stage = stage;
        if let Ok((graph, _)) = model.graph(&binding) {
            assert!(graph.macs() >= 0.0 && graph.parameters().is_finite());
        }
    }
});
