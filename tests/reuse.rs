//! The closed form of reuse against an oracle that walks every iteration of random small nests.

use std::collections::BTreeSet;

use proptest::prelude::*;
use wattline::cost::account;
use wattline::diag::Problems;
use wattline::hardware::{Profile, System};
use wattline::mapping::{Chain, Convention, Level, Loop, Nest, Step};
use wattline::workload::{ConvDim, Einsum, Slot};

const CHIP: &str = r#"
source = "estimate: test"
class = "edge"
process.node = "7 nm"
memory = [
    { name = "dram", kind = "lpddr5", capacity = "1 GiB", bandwidth = "1 GB/s" },
    { name = "glb", in = "dram", kind = "sram", capacity = "1 MiB", bandwidth = "1 GB/s" },
    { name = "rf", in = "pe", kind = "regfile", capacity = "1 KiB", bandwidth = "1 GB/s" },
]
[process]
clock = "1 GHz"
[power]
tdp = "1 W"
[[fanout]]
name = "pe"
in = "glb"
shape = [3, 3]
axes = [
    { ranks = ["K"], reduce = ["acc"], multicast = [] },
    { ranks = ["N", "M"], multicast = ["lhs", "rhs"] },
]
[[array]]
name = "mac"
in = "rf"
rate = { int8 = 1 }
"#;

fn chip() -> System {
    let text = CHIP
        .replace("process.node = \"7 nm\"\n", "")
        .replace("[process]\n", "[process]\nnode = \"7 nm\"\n");
    let none = |_: &str| Err(Problems::new());
    let profile = Profile::parse("test", &text, none).unwrap_or_else(|e| panic!("{e}"));
    profile.evaluate().unwrap_or_else(|e| panic!("{e}")).0
}

/// All loops of a nest, outermost first, with their place among its steps.
fn flat(nest: &Nest) -> Vec<(usize, Loop)> {
    let steps = nest.steps.iter().enumerate();
    let loops = steps.filter_map(|(i, step)| match step {
        Step::Loop(l) => Some((i, *l)),
        Step::Keep { .. } => None,
    });
    loops.collect()
}

/// Half-open ranges per rank that a choice of loop indices leaves at a level; `None` if empty.
fn ranges(
    sizes: &[u64],
    nest: &Nest,
    loops: &[(usize, Loop)],
    at: &[u64],
    step: usize,
) -> Option<Vec<(u64, u64)>> {
    let mut low = vec![0; sizes.len()];
    let mut high = sizes.to_vec();
    let mut current: Vec<u64> = sizes.to_vec();
    for ((i, l), &index) in loops.iter().zip(at) {
        if *i >= step {
            break;
        }
        let rank = l.rank as usize;
        current[rank] = current[rank].div_ceil(l.factor);
        low[rank] += index * current[rank];
        // A tile ends with the one around it as well; nested rounding may leave it empty.
        high[rank] = high[rank].min(low[rank] + current[rank]);
    }
    assert_eq!(current, nest.extents_at(sizes, step).to_vec());
    let mut found = Vec::new();
    for rank in 0..sizes.len() {
        if low[rank] >= high[rank] {
            return None;
        }
        found.push((low[rank], high[rank]));
    }
    Some(found)
}

/// Elements of an operand that a box of iterations touches.
fn points(einsum: &Einsum, slot: Slot, within: &[(u64, u64)]) -> BTreeSet<Vec<u64>> {
    let mut all: BTreeSet<Vec<u64>> = BTreeSet::from([Vec::new()]);
    for axis in einsum.operand(slot) {
        let mut values = BTreeSet::from([0]);
        for term in &axis.terms {
            let (low, high) = within[term.rank as usize];
            values = values
                .iter()
                .flat_map(|v| (low..high).map(move |i| v + u64::from(term.coefficient) * i))
                .collect();
        }
        all = all
            .iter()
            .flat_map(|prefix| {
                values.iter().map(move |v| {
                    let mut point = prefix.clone();
                    point.push(*v);
                    point
                })
            })
            .collect();
    }
    all
}

/// Indices of all loops, and ranges of all ranks, of the tile that is there.
type Held = (Vec<u64>, Vec<(u64, u64)>);

/// Inputs that arrive at a level over all instances, by walking time step by time step.
fn fills_by_walking(einsum: &Einsum, nest: &Nest, slot: Slot, step: usize) -> f64 {
    let sizes: Vec<u64> = einsum.ranks.iter().map(|r| r.size).collect();
    let loops = flat(nest);
    let outside: Vec<_> = loops.iter().filter(|(i, _)| *i < step).copied().collect();
    let spatial: Vec<usize> = (0..outside.len())
        .filter(|&i| outside[i].1.place.is_some())
        .collect();
    let temporal: Vec<usize> = (0..outside.len())
        .filter(|&i| outside[i].1.place.is_none())
        .collect();
    let mut total = 0;
    each(
        &outside,
        &spatial,
        &mut vec![0; outside.len()],
        0,
        &mut |at| {
            let mut at = at.to_vec();
            let mut held: Option<Held> = None;
            each(&outside, &temporal, &mut at, 0, &mut |at| {
                let Some(within) = ranges(&sizes, nest, &loops, at, step) else {
                    return;
                };
                let moves = |rank: usize| einsum.is_relevant(slot, rank);
                let seen = |w: &[(u64, u64)]| -> Vec<(u64, u64)> {
                    (0..w.len()).filter(|&r| moves(r)).map(|r| w[r]).collect()
                };
                if held.as_ref().is_some_and(|h| seen(&h.1) == seen(&within)) {
                    held = Some((at.to_vec(), within));
                    return;
                }
                let mut new = points(einsum, slot, &within);
                if let Some((before, tile)) = &held {
                    // What was there stays only while the innermost loop that moves the tile advances.
                    let changed = temporal.iter().find(|&&i| before[i] != at[i]);
                    let inner = temporal.iter().filter(|&&i| Some(&i) > changed);
                    let mut inner = inner.filter(|&&i| moves(usize::from(outside[i].1.rank)));
                    let slides = changed.is_some_and(|&i| moves(usize::from(outside[i].1.rank)))
                        && inner.all(|&i| before[i] == 0);
                    if slides {
                        for point in points(einsum, slot, tile) {
                            new.remove(&point);
                        }
                    }
                }
                total += new.len();
                held = Some((at.to_vec(), within));
            });
        },
    );
    total as f64
}

/// Calls with every combination of indices of the chosen loops, the last one fastest.
fn each(
    loops: &[(usize, Loop)],
    chosen: &[usize],
    at: &mut Vec<u64>,
    depth: usize,
    call: &mut dyn FnMut(&[u64]),
) {
    let Some(&which) = chosen.get(depth) else {
        call(at);
        return;
    };
    for index in 0..loops[which].1.factor {
        at[which] = index;
        each(loops, chosen, at, depth + 1, call);
    }
    at[which] = 0;
}

/// Sizes of the ranks, and per memory the loops over them.
type Loops = (Vec<u64>, Vec<Vec<(u8, u64)>>);

/// A nest of perfect factors: extents per rank are products of the factors.
fn perfect(rank_classes: usize, most: u64) -> impl Strategy<Value = Loops> {
    let factors = prop::collection::vec(prop::collection::vec(1..=most, 3), rank_classes);
    (factors, 0u8..6, 0u8..6).prop_map(move |(factors, a, b)| {
        let sizes = factors.iter().map(|f| f.iter().product()).collect();
        let levels = (0..3)
            .map(|level| {
                let mut order: Vec<u8> = (0..rank_classes as u8).collect();
                order.rotate_left(usize::from(a + level as u8 * b) % rank_classes);
                order
                    .into_iter()
                    .map(|rank| (rank, factors[rank as usize][level]))
                    .collect()
            })
            .collect();
        (sizes, levels)
    })
}

fn nest_of(chain: &Chain, levels: &[Vec<(u8, u64)>], side: &[Loop]) -> Nest {
    let mut memories = levels.iter();
    let all: Vec<Vec<Loop>> = chain
        .levels
        .iter()
        .map(|level| match level {
            Level::Memory { .. } => memories
                .next()
                .expect("three memories")
                .iter()
                .map(|&(rank, factor)| Loop::temporal(rank, factor))
                .collect(),
            Level::Fanout { .. } => side.to_vec(),
        })
        .collect();
    Nest::even(chain, &all)
}

/// A convolution of one spatial dimension: batch, groups, output and input channels; outputs and kernel; steps.
fn convolution(
    [batch, groups, n, c]: [u64; 4],
    (output, kernel): (u64, u64),
    (stride, dilation): (u32, u32),
) -> Einsum {
    let dim = ConvDim {
        input: 10_000,
        output,
        kernel,
        stride,
        dilation,
    };
    Einsum::conv(batch, groups, n, c, &[dim])
}

#[track_caller]
fn check(einsum: &Einsum, levels: &[Vec<(u8, u64)>], side: &[Loop]) {
    let system = chip();
    let chain = Chain::of(&system, 0);
    let nest = nest_of(&chain, levels, side);
    let counted = account(einsum, &system, &chain, &nest, Convention::Physical);
    for slot in [Slot::Lhs, Slot::Rhs] {
        for (step, level) in nest.keeps(slot).skip(1) {
            let walked = fills_by_walking(einsum, &nest, slot, step);
            let found = counted.levels[level][slot as usize].fills;
            assert_eq!(
                found,
                walked,
                "{slot:?} at level {level} of {nest:?} over {:?}",
                einsum.ranks.iter().map(|r| r.size).collect::<Vec<_>>()
            );
        }
    }
}

/// Elements of all slots read, filled and updated at a level.
fn sums(counted: &wattline::cost::Accesses, level: usize) -> [f64; 3] {
    let slots = counted.levels[level].iter();
    slots.fold([0.0; 3], |[r, f, u], c| {
        [r + c.reads, f + c.fills, u + c.updates]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn fills_of_a_product_equal_a_walk((sizes, levels) in perfect(4, 3)) {
        // One more factor of two along N and K runs side by side.
        let einsum = Einsum::matmul(sizes[0], sizes[1], 2 * sizes[2], 2 * sizes[3]);
        let side = [Loop::spatial(3, 2, 2, 0), Loop::spatial(2, 2, 2, 1)];
        check(&einsum, &levels, &side);
    }

    #[test]
    fn fills_of_a_convolution_equal_a_walk(
        (sizes, levels) in perfect(6, 2),
        stride in 1u32..=3,
        dilation in 1u32..=2,
    ) {
        let einsum = convolution([sizes[1], sizes[0], 2 * sizes[2], sizes[3]], (sizes[4], sizes[5]), (stride, dilation));
        // Iterations stay few enough to walk.
        prop_assume!(einsum.macs() < 10_000.0);
        let side = [Loop::spatial(2, 2, 2, 1)];
        check(&einsum, &levels, &side);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn smaller_last_tiles_count_as_what_they_are(
        (_, levels) in perfect(6, 3),
        sizes in prop::collection::vec(1u64..=7, 6),
        stride in 1u32..=3,
    ) {
        let einsum = convolution([sizes[1], sizes[0].min(2), sizes[2], sizes[3]], (sizes[4], sizes[5]), (stride, 1));
        prop_assume!(einsum.macs() < 3_000.0);
        let steps: u64 = levels.iter().flatten().map(|l| l.1).product();
        prop_assume!(steps < 20_000);
        check(&einsum, &levels, &[]);
    }
}

/// Hand-counted: 4x4x4 product, glb holds 2x2x4 tiles, the sum is not split.
///
/// DRAM loops M2 N2: lhs tiles 2x4 (8 elements) at each m, kept over n: 2 fills of 8; rhs tiles 4x2 (8)
/// change with every step: 4 fills of 8. The result leaves once: 16.
#[test]
fn a_small_product_by_hand() {
    let system = chip();
    let chain = Chain::of(&system, 0);
    let einsum = Einsum::matmul(1, 4, 4, 4);
    let levels = [vec![(1, 2), (2, 2)], vec![(1, 2), (2, 2), (3, 4)], vec![]];
    let nest = nest_of(&chain, &levels, &[]);
    let counted = account(&einsum, &system, &chain, &nest, Convention::Physical);
    assert_eq!(sums(&counted, 1)[1], 16.0 + 32.0);
    assert_eq!(sums(&counted, 0), [48.0, 0.0, 16.0]);
}

/// Hand-counted: the sum is split outside of the result's loops, so partial sums travel twice.
///
/// DRAM loops K2 M2: the 2x4 result tile is sent out twice for each m (4 · 8 = 32 written), and its
/// first half comes back once for each m (2 · 8 = 16 read).
#[test]
fn split_sums_come_back_but_for_the_first_time() {
    let system = chip();
    let chain = Chain::of(&system, 0);
    let einsum = Einsum::matmul(1, 4, 4, 4);
    let levels = [vec![(3, 2), (1, 2)], vec![(1, 2), (2, 4), (3, 2)], vec![]];
    let nest = nest_of(&chain, &levels, &[]);
    let counted = account(&einsum, &system, &chain, &nest, Convention::Physical);
    // lhs: 4 tiles of 2x2; rhs: 2x4 tiles change with k alone: 2 fills of 8.
    assert_eq!(sums(&counted, 0), [16.0 + 16.0 + 16.0, 0.0, 32.0]);
}
