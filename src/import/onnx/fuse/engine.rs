//! Who makes and who reads a tensor, and the replacement of several steps by one.

use rustc_hash::FxHashSet;
use smallvec::SmallVec;

use super::{activation, attention, norm, rotary};
use crate::import::onnx::call::Work;
use crate::import::onnx::emit::kept;
use crate::import::onnx::ir::Ix;
use crate::import::onnx::value::{Origin, Value};
use crate::import::onnx::walk::{Effort, Ends, Step, Walk};
use crate::workload::Role;

/// Steps under replacement.
pub(super) struct Fuser<'w, 'a> {
    walk: &'w Walk<'a>,
    pub(super) steps: Vec<Option<Step<'a>>>,
    /// `[tensor]`: the step that makes it, [`NONE`] for none.
    maker: Vec<u32>,
    /// `[tensor]`: the steps that read it.
    readers: Vec<SmallVec<[u32; 2]>>,
    outputs: FxHashSet<Ix>,
}

const NONE: u32 = u32::MAX;

/// Replaces the known patterns in the steps of a walk.
pub(in crate::import::onnx) fn fuse(walk: &mut Walk) {
    let mut steps = std::mem::take(&mut walk.steps);
    for ix in steps.iter_mut().flat_map(|s| s.ins.iter_mut()) {
        *ix = walk.resolved(*ix);
    }
    let mut fuser = Fuser::new(walk, steps);
    for i in 0..fuser.steps.len() {
        match fuser.op(i) {
            "ReduceMean" => norm::fuse(&mut fuser, i),
            "Erf" => activation::gelu_erf(&mut fuser, i),
            "Tanh" => activation::gelu_tanh(&mut fuser, i),
            "Sigmoid" | "HardSigmoid" => activation::gated(&mut fuser, i),
            "Clip" => activation::hard_swish(&mut fuser, i),
            "Softmax" => attention::fuse(&mut fuser, i),
            "Attention" => attention::share(&mut fuser, i),
            "Neg" => rotary::rotate(&mut fuser, i),
            "Sub" => rotary::pair(&mut fuser, i),
            "Concat" => attention::append(&mut fuser, i),
            "TensorScatter" | "ScatterND" | "ScatterElements" => attention::scatter(&mut fuser, i),
            _ => None,
        };
    }
    let done = fuser.steps.into_iter().flatten().collect();
    walk.steps = done;
}

impl<'w, 'a> Fuser<'w, 'a> {
    fn new(walk: &'w Walk<'a>, steps: Vec<Step<'a>>) -> Self {
        let n = walk.values.len();
        let mut maker = vec![NONE; n];
        let mut readers: Vec<SmallVec<[u32; 2]>> = vec![SmallVec::new(); n];
        for (i, step) in steps.iter().enumerate() {
            for out in &step.outs {
                maker[*out as usize] = i as u32;
            }
            for ix in &step.ins {
                let list = &mut readers[*ix as usize];
                if list.last() != Some(&(i as u32)) {
                    list.push(i as u32);
                }
            }
        }
        let outputs = walk
            .source
            .main
            .outputs
            .iter()
            .map(|ix| walk.resolved(*ix))
            .collect();
        let steps = steps.into_iter().map(Some).collect();
        Self {
            walk,
            steps,
            maker,
            readers,
            outputs,
        }
    }

    /// Standard operator of a step that is a whole node; empty otherwise.
    pub(super) fn op(&self, i: usize) -> &'a str {
        match &self.steps[i] {
            Some(Step {
                node,
                suffix: 0,
                label: None,
                ..
            }) if node.op.domain.is_empty() => &node.op.name,
            _ => "",
        }
    }

    pub(super) fn ins(&self, i: usize) -> &[Ix] {
        self.steps[i].as_ref().map_or(&[], |s| &s.ins)
    }

    /// Input `n` of a step.
    pub(super) fn input(&self, i: usize, n: usize) -> Option<Ix> {
        self.ins(i).get(n).copied()
    }

    /// First output of a step.
    pub(super) fn out(&self, i: usize) -> Option<Ix> {
        self.steps[i].as_ref().and_then(|s| s.outs.first().copied())
    }

    pub(super) fn work(&self, i: usize) -> Option<&Work> {
        match self.steps[i].as_ref().map(|s| &s.work) {
            Some(Effort::Known(work)) => Some(work),
            Some(Effort::Unknown(_)) | None => None,
        }
    }

    pub(super) fn value(&self, ix: Ix) -> Option<&'w Value> {
        self.walk.get(ix)
    }

    /// Known before the run.
    pub(super) fn is_fixed(&self, ix: Ix) -> bool {
        self.value(ix).is_some_and(|v| v.origin != Origin::Data)
    }

    /// Keys or values of past tokens, given by the caller.
    pub(super) fn is_past(&self, ix: Ix) -> bool {
        let kept = |v| kept(self.walk.source.name(ix), v) == Some(Role::KvCache);
        self.value(ix).is_some_and(kept) && self.walk.source.main.inputs.contains(&ix)
    }

    /// The step that makes a tensor.
    pub(super) fn maker(&self, ix: Ix) -> Option<usize> {
        let i = self
            .maker
            .get(ix as usize)
            .copied()
            .filter(|i| *i != NONE)? as usize;
        self.steps[i].is_some().then_some(i)
    }

    /// The step that makes a tensor, if it is one of these operators.
    pub(super) fn made_by(&self, ix: Ix, ops: &[&str]) -> Option<usize> {
        self.maker(ix).filter(|i| ops.contains(&self.op(*i)))
    }

    pub(super) fn readers(&self, ix: Ix) -> SmallVec<[usize; 4]> {
        let all = self.readers.get(ix as usize).into_iter().flatten();
        let mut live: SmallVec<[usize; 4]> = all
            .map(|i| *i as usize)
            .filter(|i| self.ins(*i).contains(&ix))
            .collect();
        live.sort_unstable();
        live.dedup();
        live
    }

    /// The only step that reads what step `i` makes.
    pub(super) fn next(&self, i: usize) -> Option<usize> {
        let out = self.out(i).filter(|ix| !self.outputs.contains(ix))?;
        match self.readers(out).as_slice() {
            [one] => Some(*one),
            _ => None,
        }
    }

    /// The only reader, if it is one of these operators.
    pub(super) fn next_is(&self, i: usize, ops: &[&str]) -> Option<usize> {
        self.next(i).filter(|n| ops.contains(&self.op(*n)))
    }

    /// The other operand of a pair.
    pub(super) fn other(&self, i: usize, than: Ix) -> Option<Ix> {
        match self.ins(i) {
            [a, b] if *a == than => Some(*b),
            [a, b] if *b == than => Some(*a),
            _ => None,
        }
    }

    /// Replaces `members` by one step in the place of the last, with `first` as its first inputs and all
    /// that members read from outside behind them. Nothing happens if another step reads a tensor that
    /// would vanish.
    pub(super) fn replace(
        &mut self,
        members: &[usize],
        first: &[Ix],
        label: &'static str,
        work: Work,
    ) -> Option<()> {
        let root = *members.iter().max()?;
        let count = self.steps[root].as_ref()?.count;
        let mut ins = Ends::from_slice(first);
        let inside: FxHashSet<Ix> = members
            .iter()
            .filter_map(|m| self.steps[*m].as_ref())
            .flat_map(|s| s.outs.clone())
            .collect();
        let mut sorted = members.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        for &m in &sorted {
            let step = self.steps[m].as_ref()?;
            if step.count != count {
                return None;
            }
            for ix in step.ins.iter().filter(|ix| !inside.contains(ix)) {
                if !ins.contains(ix) {
                    ins.push(*ix);
                }
            }
            if m == root {
                continue;
            }
            for out in &step.outs {
                let leaves = self.outputs.contains(out)
                    || self.readers(*out).iter().any(|r| !sorted.contains(r));
                if leaves {
                    return None;
                }
            }
        }
        for &m in sorted.iter().filter(|m| **m != root) {
            self.steps[m] = None;
        }
        for ix in &ins {
            self.readers[*ix as usize].push(root as u32);
        }
        let step = self.steps[root].as_mut()?;
        step.ins = ins;
        step.work = Effort::Known(work);
        step.label = Some(label);
        Some(())
    }
}
