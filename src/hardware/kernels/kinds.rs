//! The kinds of kernels that have coefficients.

use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::hash::Hasher;

use super::read::{knows, sets};
use super::{Decode, Exchange, Gemm, Grouped, KnownSet, Passes, Prefill, Recurrent, Sets};
use crate::document::Reader;
use crate::workload::Stack;

/// Defines [`Kernels`]: `field: Set, "what it is"` for each kind.
macro_rules! kinds {
    ($($kind:ident: $set:ty, $doc:literal;)+) => {
        /// The coefficients of a chip's kernels.
        #[derive(Clone, Default, PartialEq)]
        pub struct Kernels {
            /// Family that the chip names.
            pub family: String,
            /// Where the coefficients come from.
            pub source: String,
            /// Chips whose measurements they were fitted to.
            pub fitted_on: Vec<String>,
            $( #[doc = $doc] pub $kind: Sets<$set>, )+
        }

        impl Kernels {
            /// Reads what a table says of every kind over what is known already.
            pub(super) fn read(&mut self, reader: &Reader) {
                $( self.$kind = sets(reader, &self.$kind); )+
            }

            /// Whether `kernels.kind.format.stack.key` is a coefficient.
            pub(super) fn is_key(path: [&str; 4]) -> bool {
                false $( || knows::<$set>(path) )+
            }

            /// What is known for a stack, kind by kind and format by format.
            pub fn known(&self, stack: Stack) -> Vec<KnownSet> {
                let mut all = Vec::new();
                $( all.extend(self.$kind.known(stack)); )+
                all
            }

            /// A number that differs where coefficients do.
            fn digest(&self) -> u64 {
                let mut state = DefaultHasher::new();
                $( self.$kind.digest(&mut state); )+
                state.finish()
            }
        }
    };
}

kinds! {
    gemm: Gemm, "Matrix products.";
    experts: Grouped, "Matrix products of rows that are sorted by their weight.";
    prefill: Prefill, "Attention over new tokens.";
    decode: Decode, "Attention behind a cache.";
    vector: Passes, "Passes over data: elementwise operators, copies, norms, softmax.";
    scan: Recurrent, "Recurrences and short convolutions.";
    collective: Exchange, "Exchanges among chips.";
}

impl fmt::Debug for Kernels {
    /// Family and digest: prices are kept under this text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kernels({}, {:016x})", self.family, self.digest())
    }
}
