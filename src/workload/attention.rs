//! Attention as one fused operator: scores and probabilities never leave the chip.

use super::Dtype;

/// Which keys a query may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mask {
    /// Every key.
    Full,
    /// Its own token and all before it.
    Causal,
    /// Its own token and `n - 1` before it.
    Window(u64),
    /// The tokens of its own chunk of `n`, up to itself.
    Chunk(u64),
    /// The `n / 2` tokens before and behind it, and itself.
    Near(u64),
}

/// Scaled dot-product attention over `q: [batch, q_heads, q_len, qk_dim]`,
/// `k: [batch, kv_heads, kv_len, qk_dim]`, `v: [batch, kv_heads, kv_len, v_dim]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Attention {
    /// Sequences.
    pub batch: u64,
    /// Query heads.
    pub q_heads: u64,
    /// Key-value heads; `q_heads` is a multiple of it.
    pub kv_heads: u64,
    /// New tokens per sequence.
    pub q_len: u64,
    /// Keys per sequence, the new ones included.
    pub kv_len: u64,
    /// Width of a query and key head.
    pub qk_dim: u64,
    /// Width of a value head.
    pub v_dim: u64,
    /// Which keys count.
    pub mask: Mask,
    /// Format of both products.
    pub dtype: Dtype,
}

impl Attention {
    /// Query-key pairs of one head that the mask lets through.
    ///
    /// With `P = kv_len - q_len` past tokens, query `i = 1..=q_len` sees `P + i` keys under a causal
    /// mask and `min(P + i, w)` under a window `w`.
    ///
    /// Source: derived.
    pub fn useful_pairs(&self) -> f64 {
        let (s, t) = (self.q_len as f64, self.kv_len as f64);
        let past = (t - s).max(0.0);
        // Sum of min(past + i, w) over i in 1..=s.
        let windowed = |w: f64| {
            let growing = (w - past).clamp(0.0, s);
            growing * past + growing * (growing + 1.0) / 2.0 + (s - growing) * w
        };
        match self.mask {
            Mask::Full => s * t,
            Mask::Causal => s * past + s * (s + 1.0) / 2.0,
            Mask::Window(w) => windowed(w as f64),
            Mask::Near(n) => {
                let half = (n as f64 / 2.0).floor().min(t - 1.0).max(0.0);
                // Every token has both sides, less what lies beyond the ends.
                (s * (2.0 * half + 1.0) - half * (half + 1.0)).min(s * t)
            }
            Mask::Chunk(c) => {
                let triangle = |n: f64| {
                    let (whole, rest) = ((n / c as f64).floor(), n % c as f64);
                    whole * (c as f64) * (c as f64 + 1.0) / 2.0 + rest * (rest + 1.0) / 2.0
                };
                triangle(t) - triangle(past)
            }
        }
    }

    /// Keys of one sequence that must be read at all.
    pub fn keys_read(&self) -> f64 {
        let (s, t) = (self.q_len as f64, self.kv_len as f64);
        match self.mask {
            Mask::Full | Mask::Causal | Mask::Near(_) => t,
            Mask::Window(w) => t.min(s + w as f64 - 1.0),
            Mask::Chunk(c) => {
                let past = t - s;
                t - (past / c as f64).floor() * c as f64
            }
        }
    }

    /// MACs of both products over the full square of queries and keys, as graph counters do.
    pub fn full_macs(&self) -> f64 {
        self.macs_of(self.q_len as f64 * self.kv_len as f64)
    }

    /// MACs of both products over the pairs that the mask lets through.
    pub fn useful_macs(&self) -> f64 {
        self.macs_of(self.useful_pairs())
    }

    fn macs_of(&self, pairs: f64) -> f64 {
        self.batch as f64 * self.q_heads as f64 * pairs * (self.qk_dim as f64 + self.v_dim as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(mask: Mask, q_len: u64, kv_len: u64) -> Attention {
        Attention {
            batch: 1,
            q_heads: 1,
            kv_heads: 1,
            q_len,
            kv_len,
            qk_dim: 1,
            v_dim: 1,
            mask,
            dtype: Dtype::Bf16,
        }
    }

    #[test]
    fn pairs_equal_a_count_by_hand() {
        let brute = |a: &Attention| -> u64 {
            let past = a.kv_len - a.q_len;
            (1..=a.q_len)
                .map(|i| {
                    let seen = past + i;
                    match a.mask {
                        Mask::Full => a.kv_len,
                        Mask::Causal => seen,
                        Mask::Window(w) => seen.min(w),
                        Mask::Chunk(c) => (seen - 1) % c + 1,
                        Mask::Near(n) => {
                            (seen + n / 2).min(a.kv_len) - (seen - 1).saturating_sub(n / 2)
                        }
                    }
                })
                .sum()
        };
        let masks = [
            Mask::Full,
            Mask::Causal,
            Mask::Window(4),
            Mask::Chunk(4),
            Mask::Near(4),
        ];
        for mask in masks {
            for (s, t) in [(1, 1), (7, 7), (3, 9), (1, 12), (5, 6)] {
                // Both sides are only seen by encoders, which have no past.
                let s = if mask == Mask::Near(4) { t } else { s };
                let a = with(mask, s, t);
                assert_eq!(a.useful_pairs(), brute(&a) as f64, "{mask:?} {s} {t}");
            }
        }
    }
}
