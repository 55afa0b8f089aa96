//! The document of a model or a chip: `wattline show --json`.

use serde::Serialize;

use crate::hardware::{Assumed, Class, System};
use crate::units::Bytes;
use crate::workload::{Binding, Card, OpGraph, OpKind, Operator, Role, Stage, Tensor, Workload};

use super::{BlockPart, HardwarePart, Keyed, ProblemPart, SCHEMA};

/// Counts of a model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelTotals {
    /// Multiply-accumulates, attention over the full square.
    pub macs: f64,
    /// Those that the result depends on: pairs that a mask hides are left out.
    pub useful_macs: f64,
    /// Two per multiply-accumulate.
    pub flops: f64,
    /// Parameters; tied weights once.
    pub parameters: f64,
    /// Those that take part for each token; `null` without tokens.
    pub active_parameters: Option<f64>,
    /// Weights as stored.
    pub weight_bytes: f64,
    /// Weights of experts as stored; `null` without experts.
    pub expert_bytes: Option<f64>,
    /// Those of them that the counted step reads, expected.
    pub expert_bytes_touched: Option<f64>,
    /// Largest live activations.
    pub activation_peak_bytes: f64,
    /// Appended to the cache per token and sequence; `null` without a cache.
    pub kv_bytes_per_token: Option<f64>,
    /// Recurrent state; `null` without one.
    pub state_bytes_per_sequence: Option<f64>,
    /// Share of the operators' executions whose arithmetic is known.
    pub coverage: f64,
}

/// Activations listed.
const LISTED: usize = 5;

/// A tensor that is made and used within a step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ActivationPart {
    /// Name in the model.
    pub name: String,
    /// Sizes of its ranks.
    pub shape: Vec<u64>,
    /// Format.
    pub dtype: &'static str,
    /// Stored size.
    pub bytes: f64,
}

impl ActivationPart {
    /// The largest of a graph; of equal ones the first.
    fn largest(graph: &OpGraph) -> Vec<Self> {
        let made = graph.tensors().iter();
        let made = made.filter(|t| matches!(t.role, Role::Activation | Role::Output));
        let mut sized: Vec<(f64, &Tensor)> = made.map(|t| (t.bytes().0, t)).collect();
        sized.sort_by(|a, b| b.0.total_cmp(&a.0));
        let first = sized.into_iter().take(LISTED);
        first
            .map(|(bytes, tensor)| Self {
                name: tensor.name.clone(),
                shape: tensor.shape.clone(),
                dtype: tensor.dtype.name(),
                bytes,
            })
            .collect()
    }
}

/// Weights of all experts, and those that one step reads.
fn expert_bytes(graph: &OpGraph) -> Option<(f64, f64)> {
    let mut sums = (0.0, 0.0);
    for op in graph.operators() {
        let OpKind::Experts(_) = &op.kind else {
            continue;
        };
        for (i, id) in op.inputs.iter().enumerate() {
            let tensor = graph.tensor(*id);
            if tensor.role == Role::Weight {
                let n = op.count as f64;
                sums.0 += tensor.bytes().0 * n;
                sums.1 += op.bytes_read(i, tensor).0 * n;
            }
        }
    }
    (sums.0 > 0.0).then_some(sums)
}

/// One operator of a model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelOperatorPart {
    /// Name in the model.
    pub name: String,
    /// Layer or block; empty if unknown.
    pub block: String,
    /// Kind.
    pub kind: &'static str,
    /// Operator of the source format.
    pub source: String,
    /// Executions.
    pub count: u64,
    /// Multiply-accumulates of one execution.
    pub macs: f64,
    /// Two per multiply-accumulate.
    pub flops: f64,
    /// Weights that one execution reads.
    pub weight_bytes: f64,
    /// Everything that one execution must read at least once, weights included.
    pub input_bytes: f64,
    /// Written by one execution.
    pub output_bytes: f64,
}

/// A model at concrete sizes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelDocument {
    /// [`SCHEMA`].
    pub schema: u32,
    /// `model`.
    pub kind: &'static str,
    /// Name.
    pub name: String,
    /// File or catalog entry.
    pub origin: String,
    /// Family or producer.
    pub family: String,
    /// `infer`, `prefill` or `decode`: the step that is counted.
    pub phase: &'static str,
    /// The model's own type of weights and activations.
    pub dtype: &'static str,
    /// Longest context the model states.
    pub context: Option<u64>,
    /// Time within which one execution must be done, if the model's file says.
    pub deadline_s: Option<f64>,
    /// Open dimensions and what they are without a binding.
    pub symbols: Keyed<Option<u64>>,
    /// Counts.
    pub totals: ModelTotals,
    /// Layers, equal ones in one row.
    pub blocks: Vec<BlockPart>,
    /// The largest activations, largest first.
    pub activations: Vec<ActivationPart>,
    /// In execution order.
    pub operators: Vec<ModelOperatorPart>,
    /// What the reader should know.
    pub warnings: Vec<ProblemPart>,
}

/// A part of a chip.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ComponentPart {
    /// Name.
    pub name: String,
    /// `memory`, `fanout`, `array`, `vector` or `link`.
    pub kind: &'static str,
    /// Copies in the whole chip.
    pub instances: u64,
    /// Of one memory; `null` elsewhere or if unbounded.
    pub capacity_bytes: Option<f64>,
    /// Of one memory or link.
    pub bandwidth_byte_per_s: Option<f64>,
    /// Of one instance, if known.
    pub area_m2: Option<f64>,
    /// Where the figures come from.
    pub source: Option<String>,
}

/// A chip at one design point.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChipDocument {
    /// [`SCHEMA`].
    pub schema: u32,
    /// `chip`.
    pub kind: &'static str,
    /// Vendor and part.
    pub name: String,
    /// `gpu`, `npu`, `edge`, `imc`, `photonic` or `cpu`.
    pub class: &'static str,
    /// Where the description comes from.
    pub source: String,
    /// Feature size.
    pub node_m: f64,
    /// Nominal clock.
    pub clock_hz: f64,
    /// Thermal design power.
    pub tdp_w: Option<f64>,
    /// Enforced limit.
    pub cap_w: Option<f64>,
    /// Drawn when nothing runs.
    pub idle_w: Option<f64>,
    /// Drawn on top as soon as anything runs.
    pub active_w: Option<f64>,
    /// Published area of the die.
    pub die_area_m2: Option<f64>,
    /// Name, knobs and roofs.
    pub hardware: HardwarePart,
    /// Parts, memories first.
    pub components: Vec<ComponentPart>,
    /// Values taken from the class.
    pub assumed: Vec<Assumed>,
    /// What the reader should know.
    pub warnings: Vec<ProblemPart>,
}

impl ModelTotals {
    /// Counts of a bound graph; `batch` sequences are in it.
    pub fn of(card: &Card, binding: &Binding, graph: &OpGraph, activation_peak: Bytes) -> Self {
        let macs = graph.macs();
        let experts = expert_bytes(graph);
        let (known, all) = graph.known_operators();
        let kv_dtype = binding.precision.kv.unwrap_or(card.dtype);
        let sequences = binding.batch.unwrap_or(1).max(1) as f64;
        let state = graph.bytes_of(Role::State) / sequences;
        Self {
            macs,
            useful_macs: graph.useful_macs(),
            flops: 2.0 * macs,
            parameters: graph.parameters(),
            // Without experts every parameter takes part.
            active_parameters: card.active_parameters.or(Some(graph.parameters())),
            weight_bytes: graph.weight_bytes().0,
            expert_bytes: experts.map(|e| e.0),
            expert_bytes_touched: experts.map(|e| e.1),
            activation_peak_bytes: activation_peak.0,
            kv_bytes_per_token: card
                .kv_elements_per_token
                .map(|n| n * kv_dtype.stored_bytes()),
            state_bytes_per_sequence: (state.0 > 0.0).then_some(state.0),
            coverage: if all == 0 {
                1.0
            } else {
                known as f64 / all as f64
            },
        }
    }
}

impl ModelOperatorPart {
    fn of(graph: &OpGraph, op: &Operator) -> Self {
        let reads = op.inputs.iter().enumerate().map(|(i, id)| {
            let tensor = graph.tensor(*id);
            (tensor.role, op.bytes_read(i, tensor))
        });
        let weights = reads.clone().filter(|r| r.0 == Role::Weight);
        let weight_bytes: Bytes = weights.map(|r| r.1).sum();
        let input_bytes: Bytes = reads.map(|r| r.1).sum();
        let written = op
            .outputs
            .iter()
            .map(|id| op.bytes_written(graph.tensor(*id)));
        Self {
            name: op.name.clone(),
            block: op.block.clone(),
            kind: op.kind.name(),
            source: op.source.clone(),
            count: op.count,
            macs: op.macs(),
            flops: 2.0 * op.macs(),
            weight_bytes: weight_bytes.0,
            input_bytes: input_bytes.0,
            output_bytes: written.sum::<Bytes>().0,
        }
    }
}

impl ModelDocument {
    /// Of a bound model.
    pub fn of(
        workload: &Workload,
        binding: &Binding,
        graph: &OpGraph,
        activation_peak: Bytes,
        warnings: Vec<ProblemPart>,
    ) -> Self {
        let card = workload.card();
        let symbols = card.symbols.iter();
        Self {
            schema: SCHEMA,
            kind: "model",
            name: workload.name.clone(),
            origin: workload.origin.clone(),
            family: card.family.clone(),
            phase: match binding.stage {
                Stage::Infer => "infer",
                Stage::Tokens { past: 0, .. } => "prefill",
                Stage::Tokens { .. } | Stage::Check { .. } => "decode",
            },
            dtype: card.dtype.name(),
            context: card.limits.context,
            deadline_s: card.deadline.map(|limit| limit.0),
            symbols: symbols.map(|s| (s.name.clone(), s.default)).collect(),
            totals: ModelTotals::of(card, binding, graph, activation_peak),
            blocks: BlockPart::all(graph),
            activations: ActivationPart::largest(graph),
            operators: graph
                .operators()
                .map(|op| ModelOperatorPart::of(graph, op))
                .collect(),
            warnings,
        }
    }
}

impl ChipDocument {
    /// Of an evaluated chip.
    pub fn of(system: &System, hardware: HardwarePart, warnings: Vec<ProblemPart>) -> Self {
        let power = &system.power;
        Self {
            schema: SCHEMA,
            kind: "chip",
            name: system.name.clone(),
            class: class_name(system.class),
            source: system.source.clone(),
            node_m: system.process.node.0,
            clock_hz: system.process.clock.0,
            tdp_w: power.tdp.map(|p| p.0),
            cap_w: power.cap.map(|p| p.0),
            idle_w: power.idle.map(|p| p.0),
            active_w: power.active.map(|p| p.0),
            die_area_m2: system.die.map(|a| a.0),
            hardware,
            components: components(system),
            assumed: system.assumed.clone(),
            warnings,
        }
    }
}

fn components(system: &System) -> Vec<ComponentPart> {
    let part = |name: &str, kind, instances| ComponentPart {
        name: name.to_owned(),
        kind,
        instances,
        capacity_bytes: None,
        bandwidth_byte_per_s: None,
        area_m2: None,
        source: None,
    };
    let memories = system.memories.iter().map(|m| ComponentPart {
        capacity_bytes: m.capacity.0.is_finite().then_some(m.capacity.0),
        bandwidth_byte_per_s: Some(m.bandwidth(crate::hardware::Direction::Both).0),
        area_m2: m.area.map(|a| a.0),
        source: Some(m.source.clone()),
        ..part(&m.name, "memory", m.instances)
    });
    let fanouts = system
        .fanouts
        .iter()
        .map(|f| part(&f.name, "fanout", f.instances));
    let arrays = system.arrays.iter().map(|a| ComponentPart {
        area_m2: a.area.map(|a| a.0),
        source: Some(a.source.clone()),
        ..part(&a.name, "array", a.instances)
    });
    let vectors = system.vectors.iter().map(|v| ComponentPart {
        area_m2: v.area.map(|a| a.0),
        source: Some(v.source.clone()),
        ..part(&v.name, "vector", v.instances)
    });
    let links = system.links.iter().map(|l| ComponentPart {
        bandwidth_byte_per_s: Some(l.bandwidth.0),
        ..part(&l.name, "link", 1)
    });
    memories
        .chain(fanouts)
        .chain(arrays)
        .chain(vectors)
        .chain(links)
        .collect()
}

/// The class as profiles write it.
pub fn class_name(class: Class) -> &'static str {
    match class {
        Class::Gpu => "gpu",
        Class::Npu => "npu",
        Class::Edge => "edge",
        Class::Imc => "imc",
        Class::Photonic => "photonic",
        Class::Cpu => "cpu",
    }
}
