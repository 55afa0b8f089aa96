//! Any bytes as an ONNX model: read, bound at default sizes, and once more at a larger batch.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wattline::import::onnx::{self, Mapping};
use wattline::workload::Binding;

fuzz_target!(|bytes: &[u8]| {
    let Ok(model) = onnx::read("fuzzed", "fuzzed.onnx", bytes, Mapping::default()) else {
        return;
    };
    let mut binding = Binding::infer();
    binding.unknown_as_bytes = true;
    for symbol in &model.card().symbols {
        binding.dims.insert(symbol.name.clone(), 3);
    }
    for batch in [None, Some(4)] {
        binding.batch = batch;
        if let Ok((graph, _)) = model.graph(&binding) {
            assert!(graph.macs() >= 0.0 && graph.parameters() >= 0.0);
        }
    }
});
