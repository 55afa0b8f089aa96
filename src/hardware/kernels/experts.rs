//! Coefficients of products whose rows are sorted by their weight: experts of a mixture.

use super::GemmFormat;
use super::coefficients::coefficients;
use crate::units::{BytesPerSecond, Seconds};

coefficients! {
    /// Products of rows that each meet one of many weights, in tiles of one weight each.
    ///
    /// Source: forms as those of single products, with the rows of each weight padded to whole tiles; values
    /// are fitted, see the family's file.
    Grouped in experts (GemmFormat) {
        /// From the end of the kernel before to the end of an empty one, with half of what sorts the rows.
        launch: Seconds = 1e-6 ..= 60e-6;
        /// The same for what leaves out the rows of other chips' weights, where weights are shared out.
        share_launch: Seconds = 0.0 ..= 30e-6;
        /// Share of the matrix engines' peak that the largest tiles reach.
        engine: f64 = 0.05 ..= 1.0;
        /// Power of a tile's area, over 128 by 256, by which smaller tiles lose engine rate.
        small_tile: f64 = 0.0 ..= 1.0;
        /// Least time of a step of 128 bytes along the sum.
        step: Seconds = 0.01e-6 ..= 3e-6;
        /// Share of the main memory's datasheet bandwidth that weights are read at.
        read: f64 = 0.1 ..= 1.0;
        /// Share of the main memory's datasheet bandwidth that results are written at.
        write: f64 = 0.1 ..= 1.0;
        /// Rate at which one tile of 128 by 128 takes operands from main memory: bytes in flight over latency.
        cluster: BytesPerSecond = 5e9 ..= 5e12;
        /// Operands that a cluster takes from the shared cache, over 64 bytes per cycle.
        cache: f64 = 0.05 ..= 2.0;
        /// Time for each weight that rows go to.
        each: Seconds = 0.0 ..= 1e-6;
        /// Passes over operands and results, besides those of the product: gathering rows, putting them back.
        passes: f64 = 0.0 ..= 8.0;
        /// Share of the rows of other chips' weights that such passes walk through.
        walked: f64 = 0.0 ..= 1.0;
        /// Share of load rates that is left where weights are not 16 elements wide or a multiple of it, so that
        /// loads are not of whole vectors.
        ragged: f64 = 0.05 ..= 1.0;
    }
}
