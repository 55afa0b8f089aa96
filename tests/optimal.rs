//! The search for the best mapping against every mapping of small random problems.

use std::io::Write;

use wattline::cost::{Widths, evaluate};
use wattline::diag::Problems;
use wattline::hardware::{Profile, System};
use wattline::mapper::exact::{Aim, Engine, Front, Frontier, Mapspace, Prices, Search};
use wattline::mapping::{Chain, Convention, Level, Loop, Nest, Step};
use wattline::workload::{Class, ConvDim, Dtype, Einsum, Slot};

/// A small generator: the same cases every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.roll(from.len() as u64) as usize]
    }
}

fn system(text: &str) -> System {
    let none = |_: &str| Err(Problems::new());
    let profile = Profile::parse("test", text, none).unwrap_or_else(|e| panic!("{text}\n{e}"));
    profile.evaluate().unwrap_or_else(|e| panic!("{e}")).0
}

fn einsum(dice: &mut Dice, odd: bool) -> Einsum {
    match dice.roll(4) {
        0 => {
            let sizes: &[u64] = if odd {
                &[2, 3, 5, 6, 7, 9]
            } else {
                &[1, 2, 3, 4, 6, 8]
            };
            let size = |dice: &mut Dice| *dice.pick(sizes);
            Einsum::matmul(1, size(dice), size(dice), size(dice))
        }
        1 => Einsum::matmul(
            2,
            *dice.pick(&[2, 4]),
            *dice.pick(&[1, 3]),
            *dice.pick(&[2, 6]),
        ),
        kind => {
            let dim = |dice: &mut Dice| {
                let outputs: &[u64] = if odd { &[3, 5, 7] } else { &[2, 4, 6] };
                let (output, kernel) = (*dice.pick(outputs), *dice.pick(&[1, 2, 3]));
                let (stride, dilation) = (*dice.pick(&[1, 1, 2, 3]), *dice.pick(&[1, 1, 2]));
                ConvDim {
                    input: (output - 1) * u64::from(stride)
                        + (kernel - 1) * u64::from(dilation)
                        + 1,
                    output,
                    kernel,
                    stride,
                    dilation,
                }
            };
            let dims: Vec<ConvDim> = match kind {
                2 => vec![dim(dice)],
                _ => vec![
                    ConvDim {
                        output: 2,
                        kernel: 2,
                        input: 3,
                        stride: 1,
                        dilation: 1,
                    },
                    ConvDim {
                        output: 2,
                        kernel: *dice.pick(&[1, 2]),
                        input: 4,
                        stride: 1,
                        dilation: 1,
                    },
                ],
            };
            let (groups, n, c) = *dice.pick(&[(1, 2, 2), (1, 1, 2), (1, 3, 1), (2, 1, 1)]);
            Einsum::conv(1, groups, n, c, &dims)
        }
    }
}

fn chip(dice: &mut Dice, tiles: &str) -> String {
    let number = |dice: &mut Dice, from: &[u64]| *dice.pick(from);
    let slots = ["lhs", "rhs", "acc"];
    let some = |dice: &mut Dice| {
        let kept: Vec<String> = slots
            .iter()
            .filter(|_| dice.roll(3) > 0)
            .map(|s| format!("\"{s}\""))
            .collect();
        kept.join(", ")
    };
    let glb = number(dice, &[8, 16, 24, 40, 80, 400]);
    let rf = number(dice, &[3, 4, 6, 10, 16, 30]);
    let spatial = dice.roll(2) == 0;
    let (fanout, parent) = if spatial {
        let axes = [
            "{ ranks = [\"K\"], reduce = [\"acc\"], multicast = [\"rhs\"] }",
            "{ ranks = [\"N\", \"M\"], max_ranks = 1, multicast = [\"lhs\"] }",
            "{ ranks = [\"M\", \"K\"], max_ranks = 2, multicast = [\"rhs\"], reduce = [\"acc\"] }",
            "{ ranks = [\"N\"], multicast = [] }",
        ];
        let text = format!(
            "[[fanout]]\nname = \"pe\"\nin = \"glb\"\nshape = [{}, {}]\naxes = [{}, {}]\n",
            number(dice, &[2, 3, 4]),
            number(dice, &[1, 2, 4]),
            dice.pick(&axes),
            dice.pick(&axes)
        );
        (text, "pe")
    } else {
        (String::new(), "glb")
    };
    let energy = |dice: &mut Dice, from: &[u64]| {
        format!(
            "energy = {{ read = \"{} pJ/bit\", write = \"{} pJ/bit\" }}",
            number(dice, from),
            number(dice, from)
        )
    };
    let (dram_e, glb_e, rf_e) = (
        energy(dice, &[50, 100, 200]),
        energy(dice, &[4, 6, 12]),
        energy(dice, &[0, 1, 2]),
    );
    let rf_memory = match dice.roll(4) {
        0 => String::new(),
        1 => format!(
            "{{ name = \"w\", in = \"{parent}\", kind = \"regfile\", capacity = \"{rf} B\", bandwidth = \"{} GB/s\", holds = [\"rhs\"], {rf_e}, buffering = 1 }},\n",
            number(dice, &[1, 100])
        ),
        _ => format!(
            "{{ name = \"rf\", in = \"{parent}\", kind = \"regfile\", capacity = \"{rf} B\", bandwidth = \"{} GB/s\", must_hold = [{}], {rf_e}, buffering = 1 }},\n",
            number(dice, &[1, 3, 100]),
            some(dice)
        ),
    };
    let last = match rf_memory.as_str() {
        "" => parent,
        text if text.contains("\"w\"") => "w",
        _ => "rf",
    };
    // An engine below one memory takes what that does not hold from further out.
    let stationary = *dice.pick(&["", "stationary = \"rhs\"\n", "stationary = \"acc\"\n"]);
    format!(
        "schema = 1\nname = \"test\"\nclass = \"edge\"\nsource = \"estimate: test\"\nmemory = [\n\
         {{ name = \"dram\", kind = \"lpddr5\", capacity = \"1 MiB\", bandwidth = \"{} GB/s\", {dram_e}, achievable = 1 }},\n\
         {{ name = \"glb\", in = \"dram\", kind = \"sram\", capacity = \"{glb} B\", bandwidth = \"{} GB/s\", must_hold = [{}], {glb_e}, buffering = 1, leakage = \"{} mW\" }},\n\
         {rf_memory}]\n[process]\nnode = \"45 nm\"\nclock = \"1 GHz\"\n[power]\ntdp = \"1 W\"\n{fanout}\
         [[array]]\nname = \"mac\"\nin = \"{last}\"\nrate = {{ int8 = 1 }}\nenergy = {{ int8 = \"1 pJ\" }}\nachievable = 1\n{stationary}\
         [mapspace]\ntiles = \"{tiles}\"\n",
        number(dice, &[1, 4, 100]),
        number(dice, &[1, 4, 100]),
        some(dice),
        number(dice, &[0, 10, 100]),
    )
}

const WIDTHS: Widths = Widths {
    lhs: 1.0,
    rhs: 1.0,
    partial: 1.0,
    result: 1.0,
};

/// Every chain that the chip allows: any slot that a memory need not hold passes by.
fn chains(system: &System) -> Vec<Chain> {
    let mut all = vec![Chain::of(system, 0)];
    for level in 1..all[0].levels.len() {
        for slot in Slot::ALL {
            let mut more = Vec::new();
            for chain in &all {
                let mut other = chain.clone();
                if let Level::Memory { memory, holds } = &mut other.levels[level]
                    && holds[slot as usize]
                    && !system.memories[*memory].must_hold.slot(slot)
                {
                    holds[slot as usize] = false;
                    more.push(other);
                }
            }
            all.extend(more);
        }
    }
    all
}

/// Spatial loops of both axes that leave no room for a larger factor.
fn sides(einsum: &Einsum, system: &System, chain: &Chain, padded: bool) -> Vec<Vec<Loop>> {
    let mut all = vec![Vec::new()];
    for level in 0..chain.levels.len() {
        for (at, axis) in chain.axes(system, level).iter().enumerate() {
            let mut next = Vec::new();
            for loops in &all {
                next.extend(axis_loops(einsum, axis, level, at, loops, padded));
            }
            all = next;
        }
    }
    all
}

fn axis_loops(
    einsum: &Einsum,
    axis: &wattline::hardware::FanAxis,
    level: usize,
    at: usize,
    before: &[Loop],
    padded: bool,
) -> Vec<Vec<Loop>> {
    let left = |rank: usize| left(einsum, before, rank);
    let may = |rank: usize| {
        let class = einsum.ranks[rank].class;
        axis.ranks
            .iter()
            .any(|&r| wattline::mapping::names(r, &einsum.ranks[rank]))
            && (class != Class::K || axis.reduce.contains(&Slot::Acc))
    };
    // Every tuple of factors, one per rank.
    let mut tuples: Vec<Vec<u64>> = vec![Vec::new()];
    for rank in 0..einsum.ranks.len() {
        let mut next = Vec::new();
        for tuple in &tuples {
            for factor in (1..=left(rank)).filter(|f| *f == 1 || may(rank)) {
                let mut tuple = tuple.clone();
                tuple.push(factor);
                next.push(tuple);
            }
        }
        tuples = next;
    }
    let is_whole = |rank: usize, factor: u64| left(rank).is_multiple_of(factor);
    let fits = |t: &[u64]| {
        let used = t.iter().product::<u64>();
        let stands = |(rank, &factor): (usize, &u64)| {
            let rounds = left(rank).div_ceil(axis.size * factor / used);
            is_whole(rank, factor) || (padded && factor == left(rank).div_ceil(rounds))
        };
        used <= axis.size
            && t.iter().filter(|f| **f > 1).count() <= axis.max_ranks as usize
            && t.iter().enumerate().all(stands)
    };
    tuples.retain(|t| fits(t));
    let larger = |a: &[u64], b: &[u64]| {
        // More of one rank, the others as they are; a factor that leaves nothing idle gives way to one of its
        // kind alone.
        let differ: Vec<usize> = (0..a.len()).filter(|&i| a[i] != b[i]).collect();
        matches!(differ[..], [i] if a[i] > b[i] && (b[i] == 1 || is_whole(i, a[i]) == is_whole(i, b[i])))
    };
    let kept = tuples
        .iter()
        .filter(|t| !tuples.iter().any(|other| larger(other, t)));
    kept.map(|tuple| {
        let mut loops = before.to_vec();
        for (rank, &factor) in tuple.iter().enumerate().filter(|f| *f.1 > 1) {
            loops.push(Loop::spatial(rank as u8, factor, level as u16, at as u8));
        }
        loops
    })
    .collect()
}

/// Iterations that spatial loops leave of a rank.
fn left(einsum: &Einsum, loops: &[Loop], rank: usize) -> u64 {
    let own = loops.iter().filter(|l| usize::from(l.rank) == rank);
    own.fold(einsum.ranks[rank].size, |left, l| left.div_ceil(l.factor))
}

fn permutations(items: &[Loop]) -> Vec<Vec<Loop>> {
    if items.len() < 2 {
        return vec![items.to_vec()];
    }
    let mut all = Vec::new();
    for i in 0..items.len() {
        let mut rest = items.to_vec();
        let first = rest.remove(i);
        for mut tail in permutations(&rest) {
            tail.insert(0, first);
            all.push(tail);
        }
    }
    all
}

/// Places that keep tiles, outermost first: a memory's slots together, or each at a depth of its own in every
/// order.
fn places(chain: &Chain, uneven: bool) -> Vec<Vec<(u16, [bool; 3])>> {
    let mut all = vec![Vec::new()];
    for (level, at) in chain.levels.iter().enumerate() {
        let Level::Memory { holds, .. } = *at else {
            continue;
        };
        let slots: Vec<usize> = (0..3).filter(|&s| holds[s]).collect();
        let orders: Vec<Vec<[bool; 3]>> = if uneven && level > 0 {
            let orders = orders(&slots).into_iter();
            orders
                .map(|order| order.iter().map(|&s| [0, 1, 2].map(|t| t == s)).collect())
                .collect()
        } else if slots.is_empty() {
            vec![Vec::new()]
        } else {
            vec![vec![holds]]
        };
        let mut next = Vec::new();
        for places in &all {
            for order in &orders {
                let mut places: Vec<(u16, [bool; 3])> = places.clone();
                places.extend(order.iter().map(|slots| (level as u16, *slots)));
                next.push(places);
            }
        }
        all = next;
    }
    all
}

fn orders(items: &[usize]) -> Vec<Vec<usize>> {
    if items.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (i, &first) in items.iter().enumerate() {
        let mut rest = items.to_vec();
        rest.remove(i);
        for mut tail in orders(&rest) {
            tail.insert(0, first);
            all.push(tail);
        }
    }
    all
}

/// Every nest; `None` if there are more than the limit.
fn nests(
    einsum: &Einsum,
    system: &System,
    (uneven, padded): (bool, bool),
    limit: usize,
) -> Option<Vec<Nest>> {
    let mut all = Vec::new();
    for chain in chains(system) {
        for side in sides(einsum, system, &chain, padded) {
            for places in places(&chain, uneven) {
                let mut splits: Vec<Vec<Vec<u64>>> = vec![Vec::new()];
                for rank in 0..einsum.ranks.len() {
                    let ways = factorings(left(einsum, &side, rank), places.len());
                    let mut next = Vec::new();
                    for split in &splits {
                        for way in &ways {
                            let mut split = split.clone();
                            split.push(way.clone());
                            next.push(split);
                        }
                    }
                    splits = next;
                    if splits.len() > limit {
                        return None;
                    }
                }
                for split in splits {
                    let mut partial: Vec<Vec<Vec<Loop>>> = vec![Vec::new()];
                    for at in 0..places.len() {
                        let factors = split.iter().enumerate();
                        let loops: Vec<Loop> = factors
                            .filter(|(_, way)| way[at] > 1)
                            .map(|(rank, way)| Loop::temporal(rank as u8, way[at]))
                            .collect();
                        let mut next = Vec::new();
                        for gaps in &partial {
                            for order in permutations(&loops) {
                                let mut gaps = gaps.clone();
                                gaps.push(order);
                                next.push(gaps);
                            }
                        }
                        partial = next;
                    }
                    all.extend(
                        partial
                            .iter()
                            .map(|gaps| nest(&chain, &places, gaps, &side)),
                    );
                    if all.len() > limit {
                        return None;
                    }
                }
            }
        }
    }
    Some(all)
}

/// Keeps with the loops below them; loops of a fan-out stand just above the first memory inside of it.
fn nest(chain: &Chain, places: &[(u16, [bool; 3])], gaps: &[Vec<Loop>], side: &[Loop]) -> Nest {
    let mut nest = Nest::default();
    let mut left: Vec<Loop> = side.to_vec();
    for ((level, slots), loops) in places.iter().zip(gaps) {
        let above = |l: &Loop| l.place.is_some_and(|p| p.level < *level);
        nest.steps
            .extend(left.iter().filter(|l| above(l)).copied().map(Step::Loop));
        left.retain(|l| !above(l));
        nest.steps.push(Step::Keep {
            level: *level,
            slots: *slots,
        });
        nest.steps.extend(loops.iter().copied().map(Step::Loop));
    }
    nest.steps.extend(left.into_iter().map(Step::Loop));
    assert!(nest.steps.len() >= chain.levels.len().min(1));
    nest
}

fn factorings(n: u64, parts: usize) -> Vec<Vec<u64>> {
    if parts == 1 {
        return vec![vec![n]];
    }
    let mut all = Vec::new();
    for f in (1..=n).filter(|f| n.is_multiple_of(*f)) {
        for mut rest in factorings(n / f, parts - 1) {
            rest.insert(0, f);
            all.push(rest);
        }
    }
    all
}

fn cost(
    einsum: &Einsum,
    system: &System,
    nest: &Nest,
    convention: Convention,
) -> Option<(f64, f64)> {
    let chain = Chain::of(system, 0);
    let e = evaluate(
        einsum,
        Dtype::Int8,
        system,
        &chain,
        nest,
        &WIDTHS,
        convention,
    );
    let fits = e.overfull().next().is_none();
    fits.then(|| (e.energy().expect("all energies are given").0, e.latency.0))
}

fn key(aim: Aim, (energy, time): (f64, f64)) -> (f64, f64) {
    match aim {
        Aim::Energy => (energy, time),
        Aim::Latency => (time, energy),
        Aim::Edp => (energy * time, time),
    }
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
}

/// Problems of a comparison; all of them take minutes without optimization.
fn problems(full: usize) -> usize {
    if cfg!(debug_assertions) {
        full / 20
    } else {
        full
    }
}

fn compare(convention: Convention, (uneven, padded): (bool, bool), seed: u64, full: usize) {
    let mut dice = Dice(seed);
    let (mut done, mut mappings) = (0, 0);
    // With smaller last tiles: what is found over the best.
    let mut worse: Vec<f64> = Vec::new();
    while done < problems(full) {
        let tiles = if padded { "padded" } else { "divisors" };
        let odd = padded || dice.roll(2) == 0;
        let (einsum, text) = (einsum(&mut dice, odd), chip(&mut dice, tiles));
        let system = system(&text);
        let Some(nests) = nests(&einsum, &system, (uneven, padded), 3000) else {
            continue;
        };
        mappings += nests.len();
        let costs: Vec<(f64, f64)> = nests
            .iter()
            .filter_map(|n| cost(&einsum, &system, n, convention))
            .collect();
        let space = Mapspace {
            einsum: &einsum,
            system: &system,
            widths: WIDTHS,
            convention,
            uneven,
        };
        let engine = Engine::of(&system, 0, Dtype::Int8, &einsum, convention);
        for aim in [Aim::Energy, Aim::Latency, Aim::Edp] {
            let how = Search {
                aim,
                limit: u64::MAX,
            };
            let mut price = |nest: &Nest| {
                cost(&einsum, &system, nest, convention).expect("the search proposes what fits")
            };
            let found = space.search(0, engine, how, &mut price);
            let keys = || costs.iter().map(|c| key(aim, *c));
            let least = |values: &mut dyn Iterator<Item = f64>| {
                values.min_by(|a, b| a.partial_cmp(b).expect("numbers"))
            };
            let best = least(&mut keys().map(|k| k.0)).map(|first| {
                let ties = &mut keys().filter(|k| close(k.0, first)).map(|k| k.1);
                (first, least(ties).expect("one at least"))
            });
            let (Some(found), Some(best)) = (&found, best) else {
                assert_eq!(found.is_some(), best.is_some(), "{einsum:?}\n{text}");
                continue;
            };
            let again = cost(&einsum, &system, &found.nest, convention).expect("fits");
            assert!(
                close(again.0, found.cost.0) && close(again.1, found.cost.1),
                "counted {:?}, priced {again:?}: {:?}\n{einsum:?}\n{text}",
                found.cost,
                found.nest
            );
            let value = key(aim, found.cost);
            let is_best = |n: &&Nest| {
                cost(&einsum, &system, n, convention).is_some_and(|c| close(key(aim, c).0, best.0))
            };
            if padded {
                assert!(
                    found.bound <= best.0 * (1.0 + 1e-9),
                    "bound {} of {:?}, best {best:?} {:?}\n{einsum:?}\n{text}",
                    found.bound,
                    found.nest,
                    nests.iter().find(is_best)
                );
                worse.push(value.0 / best.0);
                continue;
            }
            assert!(
                close(value.0, best.0) && (close(value.1, best.1)),
                "{aim:?}: found {value:?} {:?}, best {best:?} {:?}\n{einsum:?}\n{text}",
                found.nest,
                nests.iter().find(is_best)
            );
            assert!(found.is_whole && found.gap() == 0.0);
        }
        done += 1;
    }
    worse.sort_by(f64::total_cmp);
    if let Some(worst) = worse.last() {
        let missed = worse.iter().filter(|w| **w > 1.0 + 1e-9).count();
        let line = format!(
            "best missed {missed} of {} times, by {worst} at most\n",
            worse.len()
        );
        std::io::stderr()
            .write_all(line.as_bytes())
            .expect("stderr");
        assert!(
            worse[0] >= 1.0 - 1e-9,
            "nothing is better than the best: {}",
            worse[0]
        );
        assert!(missed * 25 < worse.len(), "{missed} of {}", worse.len());
    }
    let line = format!("{convention:?}, uneven {uneven}: {done} problems, {mappings} mappings\n");
    std::io::stderr()
        .write_all(line.as_bytes())
        .expect("stderr");
}

#[test]
fn even_mappings() {
    compare(
        Convention::Physical,
        (false, false),
        0x9e37_79b9_7f4a_7c15,
        2500,
    );
}

#[test]
fn even_mappings_as_timeloop_counts() {
    compare(
        Convention::Timeloop,
        (false, false),
        0x2545_f491_4f6c_dd1d,
        800,
    );
}

#[test]
fn even_mappings_as_accelforge_counts() {
    compare(
        Convention::AccelForge,
        (false, false),
        0x1234_5678_9abc_def1,
        800,
    );
}

#[test]
fn uneven_mappings() {
    compare(
        Convention::Physical,
        (true, false),
        0x0fed_cba9_8765_4321,
        600,
    );
}

#[test]
fn uneven_mappings_as_accelforge_counts() {
    compare(
        Convention::AccelForge,
        (true, false),
        0x1357_9bdf_0246_8ace,
        600,
    );
}

#[test]
fn mappings_with_smaller_last_tiles() {
    compare(
        Convention::Physical,
        (false, true),
        0x7e57_ab1e_5eed_0001,
        800,
    );
}

fn space<'a>(einsum: &'a Einsum, system: &'a System, uneven: bool) -> Mapspace<'a> {
    Mapspace {
        einsum,
        system,
        widths: WIDTHS,
        convention: Convention::Physical,
        uneven,
    }
}

/// The chip with other energies, bandwidths and clock.
fn repriced(dice: &mut Dice, system: &System) -> System {
    let mut other = system.clone();
    let factor = |dice: &mut Dice| *dice.pick(&[0.01, 0.1, 0.5, 2.0, 7.0, 300.0]);
    for memory in &mut other.memories {
        let energies = [&mut memory.read_energy, &mut memory.write_energy];
        for each in energies.into_iter().flatten() {
            each.0 *= factor(dice);
        }
        for port in &mut memory.ports {
            port.bandwidth.0 *= factor(dice);
        }
    }
    for array in &mut other.arrays {
        array.clock.0 *= factor(dice);
    }
    other
}

#[test]
fn a_front_has_the_best_whatever_bytes_cost() {
    let mut dice = Dice(0x0f0e_0d0c_0b0a_0908);
    let convention = Convention::Physical;
    let (mut done, mut points) = (0, 0);
    while done < problems(800) {
        let uneven = dice.roll(4) == 0;
        let odd = dice.roll(2) == 0;
        let (einsum, text) = (einsum(&mut dice, odd), chip(&mut dice, "divisors"));
        let system = system(&text);
        let Some(nests) = nests(&einsum, &system, (uneven, false), 1000) else {
            continue;
        };
        let front = |tolerance| {
            let limit = u64::MAX;
            space(&einsum, &system, uneven).front(0, Frontier { tolerance, limit })
        };
        let (Some(exact), Some(loose)) = (front(0.0), front(0.05)) else {
            let fits = |n: &Nest| cost(&einsum, &system, n, convention).is_some();
            assert!(!nests.iter().any(fits), "{einsum:?}\n{text}");
            continue;
        };
        assert!(exact.is_proven && loose.is_proven, "{einsum:?}\n{text}");
        points += exact.points.len();
        for _ in 0..4 {
            let other = repriced(&mut dice, &system);
            let engine = Engine::of(&other, 0, Dtype::Int8, &einsum, convention);
            let prices = Prices::of(
                &space(&einsum, &other, uneven),
                &Chain::of(&other, 0),
                engine,
            );
            let costs = |front: &Front| -> Vec<(f64, f64)> {
                let points = front.points.iter().map(|point| {
                    let counted = prices.cost(&point.counts);
                    let priced = cost(&einsum, &other, &point.nest, convention).expect("fits");
                    let same = close(counted.0, priced.0) && close(counted.1, priced.1);
                    assert!(same, "counted {counted:?}, priced {priced:?}\n{text}");
                    priced
                });
                points.collect()
            };
            let (exact, loose) = (costs(&exact), costs(&loose));
            let all = nests.iter();
            let all = all.filter_map(|n| cost(&einsum, &other, n, convention));
            let all: Vec<(f64, f64)> = all.collect();
            for aim in [Aim::Energy, Aim::Latency, Aim::Edp] {
                let least = |costs: &[(f64, f64)]| {
                    let values = costs.iter().map(|c| key(aim, *c).0);
                    values.fold(f64::INFINITY, f64::min)
                };
                let best = least(&all);
                assert!(
                    close(least(&exact), best),
                    "{aim:?}: front {}, best {best}\n{einsum:?}\n{text}",
                    least(&exact)
                );
                assert!(least(&loose) <= best * 1.05 * 1.05 * (1.0 + 1e-9));
            }
        }
        done += 1;
    }
    let line = format!("{done} fronts of {points} points\n");
    std::io::stderr()
        .write_all(line.as_bytes())
        .expect("stderr");
}
