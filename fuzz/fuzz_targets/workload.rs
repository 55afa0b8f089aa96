//! Any text as a workload TOML: read, and bound at default sizes and at a larger batch.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wattline::catalog::{Base, Content, Entry, Kind};
use wattline::import;
use wattline::workload::Binding;

fuzz_target!(|text: &str| {
    let entry = Entry {
        name: "fuzzed".to_owned(),
        origin: "fuzzed.toml".to_owned(),
        kind: Kind::Toml,
        content: Content::Text(text.to_owned()),
        base: Base::Catalog,
    };
    let Ok(model) = import::model(&entry) else {
        return;
    };
    let mut binding = Binding::infer();
    for batch in [None, Some(4)] {
        binding.batch = batch;
        if let Ok((graph, _)) = model.graph(&binding) {
            assert!(graph.macs() >= 0.0 && graph.parameters() >= 0.0);
        }
    }
});
