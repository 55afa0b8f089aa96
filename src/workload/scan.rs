//! Recurrences over tokens: state-space layers, gated delta rule, linear attention.

use super::{Dtype, VectorWork};

/// The rule by which a state is carried from token to token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Recurrence {
    /// Mamba-1: a decay of its own for every element of the state.
    Selective,
    /// Mamba-2 (state-space duality): one decay per head.
    Dual,
    /// Gated delta rule: one decay per head, and a correction of what the key reads.
    GatedDelta,
    /// Linear attention: one constant decay per head.
    Linear,
    /// A gated linear recurrence without a matrix state (RG-LRU of Griffin).
    Gated,
}

/// One recurrence over `[batch, tokens, heads]` with a state `[heads, width, state]` per sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scan {
    /// Rule.
    pub recurrence: Recurrence,
    /// Sequences.
    pub batch: u64,
    /// New tokens per sequence.
    pub tokens: u64,
    /// Heads; channels of Mamba-1.
    pub heads: u64,
    /// Values per head; 1 in Mamba-1.
    pub width: u64,
    /// State per value: the `N` of a state-space layer, the key width of a delta rule.
    pub state: u64,
    /// Groups of heads that share their input and output maps.
    pub groups: u64,
    /// Tokens of a chunk whose products are formed at once, where [`Scan::is_chunked`]; 1: token by token.
    pub chunk: u64,
    /// Format of the products of a chunk.
    pub dtype: Dtype,
}

impl Scan {
    /// Format of the state between tokens.
    ///
    /// Source: `mamba_ssm_dtype` of the checkpoints; the kernels of state-spaces/mamba.
    pub const STATE: Dtype = Dtype::Fp32;

    /// Tokens of a chunk of the delta rule. Source: flash-linear-attention, `chunk_gated_delta_rule`.
    pub const DELTA_CHUNK: u64 = 64;

    /// True if products of chunks run on the matrix engine. Mamba-1 and gated recurrences have no such form,
    /// and one token is no chunk.
    pub fn is_chunked(&self) -> bool {
        let has_form = match self.recurrence {
            Recurrence::Dual | Recurrence::GatedDelta | Recurrence::Linear => true,
            Recurrence::Selective | Recurrence::Gated => false,
        };
        has_form && self.chunk > 1 && self.tokens > 1
    }

    /// Elements of the state of all sequences.
    pub fn state_elements(&self) -> f64 {
        self.batch as f64 * self.values() * self.state as f64
    }

    /// Values of a token over all heads.
    fn values(&self) -> f64 {
        self.heads as f64 * self.width as f64
    }

    fn all_tokens(&self) -> f64 {
        self.batch as f64 * self.tokens as f64
    }

    /// Multiply-accumulates, with all pairs of tokens of a chunk.
    ///
    /// Per token, with `D = heads·width` values, state `N`, chunk `Q`, groups `G`:
    /// token by token, state update and output `2·D·N` (Mamba-1 and -2, linear attention), with the
    /// correction `3·D·N` (delta rule), `D` (gated). Chunked: scores `G·Q·N`, their product with the values `Q·D`,
    /// states of the chunks and their output `2·D·N`, hand-over `D·N/Q`; the delta rule needs a second
    /// set of scores and products with keys and values, the inverse of a triangle `heads·Q²/3`, and one
    /// more product with the state.
    ///
    /// Source: Dao and Gu, "Transformers are SSMs", ICML 2024, section 6 (block decomposition); Yang et
    /// al., "Gated Delta Networks", ICLR 2025, section 3.3; derived.
    pub fn macs(&self) -> f64 {
        self.per_token(1.0) * self.all_tokens()
    }

    /// Multiply-accumulates that the result depends on: within a chunk a token sees itself and those
    /// before it, `(Q + 1)/2` of `Q`.
    pub fn useful_macs(&self) -> f64 {
        let q = self.span();
        self.per_token((q + 1.0) / (2.0 * q)) * self.all_tokens()
    }

    /// Tokens of a chunk, at most those there are.
    fn span(&self) -> f64 {
        self.chunk.min(self.tokens).max(1) as f64
    }

    fn per_token(&self, causal: f64) -> f64 {
        let (values, n, q) = (self.values(), self.state as f64, self.span());
        let g = self.groups.min(self.heads) as f64;
        let step = match self.recurrence {
            Recurrence::Selective | Recurrence::Dual | Recurrence::Linear => 2.0 * values * n,
            Recurrence::GatedDelta => 3.0 * values * n,
            Recurrence::Gated => values,
        };
        if !self.is_chunked() {
            return step;
        }
        let (scores, mix) = (g * q * n * causal, q * values * causal);
        match self.recurrence {
            Recurrence::Selective | Recurrence::Gated => step,
            Recurrence::Dual | Recurrence::Linear => {
                scores + mix + 2.0 * values * n + values * n / q
            }
            Recurrence::GatedDelta => {
                let heads = self.heads as f64;
                let corrected = q * heads * n * causal + mix + heads * q * q / 3.0;
                2.0 * scores + mix + corrected + 3.0 * values * n
            }
        }
    }

    /// Work of the vector engine.
    ///
    /// Token by token, per element of the state: Mamba-1 six operations and one exponential (decay, input,
    /// state and output), the others four or six and none, since their decay is one number per head; per
    /// value four more for skip and gate. Chunked: the decays of all pairs of a chunk.
    ///
    /// Source: Megatron-Bridge `flop_utils.py`, `mamba_layer_flops` (7 per element); derived.
    pub fn vector(&self) -> VectorWork {
        let (tokens, values) = (self.all_tokens(), self.values());
        let elements = values * self.state as f64 * tokens;
        let work = |elements, ops, special| VectorWork {
            elements,
            ops,
            special,
        };
        match (self.is_chunked(), self.recurrence) {
            (_, Recurrence::Selective) => work(elements, 7.0, 1.0),
            (_, Recurrence::Gated) => work(tokens * values, 8.0, 3.0),
            (true, _) => work(tokens * self.heads as f64 * self.span(), 2.0, 1.0),
            (false, Recurrence::Dual | Recurrence::Linear) => work(elements, 5.0, 0.0),
            (false, Recurrence::GatedDelta) => work(elements, 7.0, 0.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(recurrence: Recurrence, tokens: u64, chunk: u64) -> Scan {
        Scan {
            recurrence,
            batch: 1,
            tokens,
            heads: 80,
            width: 64,
            state: 128,
            groups: 1,
            chunk,
            dtype: Dtype::Bf16,
        }
    }

    #[test]
    fn a_decode_step_updates_and_reads_the_state_once() {
        // mamba2-2.7b: 5120 values x 128: two multiply-accumulates per element.
        let one = scan(Recurrence::Dual, 1, 1);
        assert_eq!(one.macs(), 2.0 * 5120.0 * 128.0);
        assert_eq!(one.state_elements(), 655_360.0);
        let delta = scan(Recurrence::GatedDelta, 1, 1);
        assert_eq!(delta.macs(), 3.0 * 5120.0 * 128.0);
    }

    #[test]
    fn chunks_cost_what_the_block_decomposition_says() {
        // Per token, Q = 256: 256·128 + 256·5120 + 2·5120·128 + 5120·128/256, by hand.
        let chunked = scan(Recurrence::Dual, 1024, 256);
        assert_eq!(
            chunked.macs(),
            1024.0 * (32_768.0 + 1_310_720.0 + 1_310_720.0 + 2_560.0)
        );
        // Half of the pairs of a chunk, and half a diagonal.
        let useful = 257.0 / 512.0 * (32_768.0 + 1_310_720.0) + 1_310_720.0 + 2_560.0;
        assert!((chunked.useful_macs() / (1024.0 * useful) - 1.0).abs() < 1e-12);
    }
}
