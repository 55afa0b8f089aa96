//! What a step of each family reads and keeps, against counts by hand.

use crate::catalog;
use crate::import;
use crate::workload::{
    Binding, Latent, Mask, OpGraph, OpKind, Operator, Recurrence, Role, ScanForm, Software, Stage,
};

fn built(name: &str, tokens: u64, past: u64, change: impl Fn(&mut Binding)) -> OpGraph {
    let entry = catalog::model(name).expect("is in the catalog");
    let workload = import::model(&entry).expect("is valid");
    let mut binding = Binding::infer();
    binding.stage = Stage::Tokens { tokens, past };
    change(&mut binding);
    workload.graph(&binding).expect("builds").0
}

fn step(name: &str, tokens: u64, past: u64) -> OpGraph {
    built(name, tokens, past, |_| {})
}

#[track_caller]
fn operator<'g>(graph: &'g OpGraph, name: &str) -> &'g Operator {
    let found = graph.operators().find(|op| op.name == name);
    found.unwrap_or_else(|| panic!("no operator {name}"))
}

#[test]
fn a_cached_token_of_latent_attention_is_one_vector_for_all_heads() {
    let graph = step("deepseek-v3", 1, 999);
    // 61 layers x (512 + 64) elements x 2 bytes x 1000 tokens.
    assert_eq!(graph.bytes_of(Role::KvCache).0, 61.0 * 576.0 * 2.0 * 1000.0);
    // 128 heads x 1000 keys x (576 + 512), the cache read once.
    let attention = operator(&graph, "layers.moe.attention");
    assert_eq!(attention.macs(), 128.0 * 1000.0 * 1088.0);
    let read = |i: usize| attention.bytes_read(i, graph.tensor(attention.inputs[i])).0;
    assert_eq!((read(1), read(2)), (576.0 * 2.0 * 1000.0, 0.0));
    // 128 heads x (128 x 512) each way.
    let absorbed = operator(&graph, "layers.moe.absorb_q").macs();
    assert_eq!(absorbed, 128.0 * 128.0 * 512.0);
    let naive = built("deepseek-v3", 1, 999, |b| b.software.latent = Latent::Naive);
    // Expanded keys and values of all heads: 128 x 1000 x (192 + 128), and 512 x 128 x 256 for each token.
    assert_eq!(
        operator(&naive, "layers.moe.attention").macs(),
        128.0 * 1000.0 * 320.0
    );
    let expanded = operator(&naive, "layers.moe.kv_b_proj").macs();
    assert_eq!(expanded, 1000.0 * 512.0 * 128.0 * 256.0);
    assert_eq!(naive.parameters(), graph.parameters());
}

#[test]
fn experts_are_all_resident_and_some_are_read() {
    let four = built("mixtral-8x7b-v0.1", 1, 99, |b| b.batch = Some(4));
    let up = operator(&four, "layers.*.experts.gate_up_proj");
    let weight = four.tensor(up.inputs[1]);
    // 8 experts x 4096 x (2 x 14336) in two bytes; 8·(1 - (3/4)^4) = 5.46875 of them.
    let all = 8.0 * 4096.0 * 28_672.0 * 2.0;
    assert_eq!(weight.bytes().0, all);
    let read = up.bytes_read(1, weight).0;
    assert!((read / all - 5.468_75 / 8.0).abs() < 1e-9, "{read}");
    // Two experts for each of four tokens.
    assert_eq!(up.macs(), 8.0 * 4096.0 * 28_672.0);
    let skewed = built("mixtral-8x7b-v0.1", 1, 99, |b| {
        b.batch = Some(4);
        b.software.imbalance = 2.0;
    });
    let up = operator(&skewed, "layers.*.experts.gate_up_proj");
    assert!(up.bytes_read(1, skewed.tensor(up.inputs[1])).0 < read);
}

#[test]
fn hybrids_cache_only_where_there_is_attention() {
    let graph = step("jamba-v0.1", 1, 999);
    // 4 of 32 layers: 2 x 8 heads x 128 in two bytes.
    assert_eq!(graph.bytes_of(Role::KvCache).0, 4.0 * 2048.0 * 2.0 * 1000.0);
    // 28 layers: 8192 x 16 in four bytes, and 8192 x 4 taps in two.
    let state = 28.0 * 8192.0 * (16.0 * 4.0 + 4.0 * 2.0);
    assert_eq!(graph.bytes_of(Role::State).0, state);
    let longer = step("jamba-v0.1", 1, 99_999);
    assert_eq!(longer.bytes_of(Role::State).0, state);
}

#[test]
fn a_recurrence_runs_in_chunks_over_a_prompt_and_by_token_in_decode() {
    let chunk = |graph: &OpGraph| {
        let scans = graph.operators().filter_map(|op| match &op.kind {
            OpKind::Scan(scan) => {
                let chunk = if scan.is_chunked() { scan.chunk } else { 1 };
                Some((scan.recurrence, chunk))
            }
            _ => None,
        });
        scans.collect::<Vec<_>>()
    };
    let of = |name: &str, tokens| chunk(&step(name, tokens, 0));
    assert_eq!(of("mamba2-2.7b-hf", 512), [(Recurrence::Dual, 256)]);
    assert_eq!(of("mamba2-2.7b-hf", 1), [(Recurrence::Dual, 1)]);
    assert_eq!(of("mamba-2.8b-hf", 512), [(Recurrence::Selective, 1)]);
    assert_eq!(
        of("qwen3-next-80b-a3b", 512),
        [(Recurrence::GatedDelta, 64)]
    );
    let by_token = |software: &mut Software| software.scan = ScanForm::Step;
    let graph = built("mamba2-2.7b-hf", 512, 0, |b| by_token(&mut b.software));
    assert_eq!(chunk(&graph), [(Recurrence::Dual, 1)]);
}

#[test]
fn an_encoder_runs_once_and_its_keys_are_kept() {
    let first = step("whisper-large-v3", 4, 0);
    let later = step("whisper-large-v3", 1, 4);
    let encoder = |graph: &OpGraph| {
        let macs = graph
            .operators()
            .filter(|op| op.block.starts_with("encoder"));
        macs.map(|op| op.macs() * op.count as f64).sum::<f64>()
    };
    assert!(encoder(&first) > 0.0);
    assert_eq!(encoder(&later), 0.0);
    assert_eq!(first.parameters(), later.parameters());
    // 32 layers x 2 x 1280 in two bytes: 1500 frames, and the tokens so far.
    let cache = |graph: &OpGraph| graph.bytes_of(Role::KvCache).0;
    assert_eq!(cache(&later), 32.0 * 2560.0 * 2.0 * 1505.0);
    let cross = operator(&later, "layers.*.cross.attention");
    assert_eq!(cross.macs(), 2.0 * 1280.0 * 1500.0);
}

#[test]
fn a_window_bounds_every_layer() {
    let graph = built("llama-3.1-8b", 1, 9_999, |b| b.software.window = Some(4096));
    let OpKind::Attention(attention) = operator(&graph, "layers.*.attention").kind else {
        panic!("no attention");
    };
    assert_eq!(attention.mask, Mask::Window(4096));
    // 32 layers x 2 x 8 heads x 128 in two bytes.
    assert_eq!(graph.bytes_of(Role::KvCache).0, 131_072.0 * 4096.0);
    // Chunks of Llama 4: 36 of 48 layers hold at most 8192 tokens.
    let graph = step("llama-4-scout", 1, 9_999);
    let each = 2.0 * 8.0 * 128.0 * 2.0;
    let held = each * (36.0 * 8192.0 + 12.0 * 10_000.0);
    assert_eq!(graph.bytes_of(Role::KvCache).0, held);
}

#[test]
fn images_run_the_tower_and_text_alone_does_not() {
    let macs = |images: u64| {
        let graph = built("gemma-3-4b", 1024, 0, |b| {
            b.dims.insert("images".to_owned(), images);
        });
        (graph.macs(), graph.parameters())
    };
    let (none, one, two) = (macs(0), macs(1), macs(2));
    assert_eq!(none.1, one.1);
    // SigLIP: 27 layers over 4096 patches: 4·1152² + 2·1152·4304 each, attention 2·1152·4096; the patches
    // 3·14²·1152; the projection of 256 tokens to 2560.
    let layer = 4.0 * 1152.0 * 1152.0 + 2.0 * 1152.0 * 4304.0 + 2.0 * 1152.0 * 4096.0;
    let tower = 4096.0 * (27.0 * layer + 588.0 * 1152.0) + 256.0 * 1152.0 * 2560.0;
    assert_eq!(one.0 - none.0, tower);
    assert_eq!(two.0 - none.0, 2.0 * tower);
}

#[test]
fn keys_out_of_sight_are_not_read() {
    let read = |graph: &OpGraph, name: &str| {
        let op = operator(graph, name);
        op.bytes_read(1, graph.tensor(op.inputs[1])).0
    };
    // Token 10,000 of Llama 4 sees 10,000 - 8,192 tokens of its chunk: 8 heads x 128 in two bytes.
    let graph = step("llama-4-scout", 1, 9_999);
    assert_eq!(read(&graph, "layers.chunked.attention"), 1808.0 * 2048.0);
    assert_eq!(read(&graph, "layers.full.attention"), 10_000.0 * 2048.0);
    // A prompt longer than the window reads the keys of all its tokens: 4 heads x 256 in two bytes.
    let graph = step("gemma-2-2b", 6000, 0);
    assert_eq!(read(&graph, "layers.sliding.attention"), 6000.0 * 2048.0);
}
