//! The search for the best mapping against every mapping of small random problems.

use std::io::Write;

use wattline::cost::{Widths, evaluate};
use wattline::diag::Problems;
use wattline::hardware::{Profile, System};
use wattline::mapper::exact::{Aim, Engine, Mapspace, Search};
use wattline::mapping::{Chain, Convention, Level, Loop, Nest};
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

fn einsum(dice: &mut Dice) -> Einsum {
    match dice.roll(4) {
        0 => {
            let size = |dice: &mut Dice| *dice.pick(&[1, 2, 3, 4, 6, 8]);
            Einsum::matmul(1, size(dice), size(dice), size(dice))
        }
        1 => Einsum::matmul(2, *dice.pick(&[2, 4]), *dice.pick(&[1, 3]), *dice.pick(&[2, 6])),
        kind => {
            let dim = |dice: &mut Dice| {
                let (output, kernel) = (*dice.pick(&[2, 4, 6]), *dice.pick(&[1, 2, 3]));
                let (stride, dilation) = (*dice.pick(&[1, 1, 2, 3]), *dice.pick(&[1, 1, 2]));
                ConvDim {
                    input: (output - 1) * u64::from(stride) + (kernel - 1) * u64::from(dilation) + 1,
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

fn chip(dice: &mut Dice) -> String {
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
         [mapspace]\ntiles = \"divisors\"\n",
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
fn sides(einsum: &Einsum, system: &System, chain: &Chain) -> Vec<Vec<Loop>> {
    let mut all = vec![Vec::new()];
    for level in 0..chain.levels.len() {
        for (at, axis) in chain.axes(system, level).iter().enumerate() {
            let mut next = Vec::new();
            for loops in &all {
                next.extend(axis_loops(einsum, axis, level, at, loops));
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
) -> Vec<Vec<Loop>> {
    let left = |rank: usize| {
        let used = before.iter().filter(|l| usize::from(l.rank) == rank);
        einsum.ranks[rank].size / used.map(|l| l.factor).product::<u64>()
    };
    let may = |rank: usize| {
        let class = einsum.ranks[rank].class;
        axis.ranks.iter().any(|&r| wattline::mapping::names(r, &einsum.ranks[rank]))
            && (class != Class::K || axis.reduce.contains(&Slot::Acc))
    };
    // Every tuple of factors, one per rank.
    let mut tuples: Vec<Vec<u64>> = vec![Vec::new()];
    for rank in 0..einsum.ranks.len() {
        let mut next = Vec::new();
        for tuple in &tuples {
            for factor in 1..=left(rank) {
                if left(rank) % factor == 0 && (factor == 1 || may(rank)) {
                    let mut tuple = tuple.clone();
                    tuple.push(factor);
                    next.push(tuple);
                }
            }
        }
        tuples = next;
    }
    let fits = |t: &[u64]| {
        t.iter().product::<u64>() <= axis.size
            && t.iter().filter(|f| **f > 1).count() <= axis.max_ranks as usize
    };
    tuples.retain(|t| fits(t));
    let larger = |a: &[u64], b: &[u64]| {
        // More of one rank, the others as they are.
        let differ: Vec<usize> = (0..a.len()).filter(|&i| a[i] != b[i]).collect();
        matches!(differ[..], [i] if a[i] > b[i])
    };
    let kept = tuples.iter().filter(|t| !tuples.iter().any(|other| larger(other, t)));
    kept.map(|tuple| {
        let mut loops = before.to_vec();
        for (rank, &factor) in tuple.iter().enumerate().filter(|f| *f.1 > 1) {
            loops.push(Loop::spatial(rank as u8, factor, level as u16, at as u8));
        }
        loops
    })
    .collect()
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

/// Every even nest that fits; siblings and empty memories have no loops of their own.
fn nests(einsum: &Einsum, system: &System, limit: usize) -> Option<Vec<Nest>> {
    let mut all = Vec::new();
    for chain in chains(system) {
        let places: Vec<usize> = (0..chain.levels.len())
            .filter(|&l| Slot::ALL.iter().any(|s| chain.holds(l, *s)))
            .collect();
        for side in sides(einsum, system, &chain) {
            let mut splits: Vec<Vec<Vec<u64>>> = vec![Vec::new()];
            for rank in 0..einsum.ranks.len() {
                let used = side.iter().filter(|l| usize::from(l.rank) == rank);
                let left = einsum.ranks[rank].size / used.map(|l| l.factor).product::<u64>();
                let ways = factorings(left, places.len());
                let mut next = Vec::new();
                for split in &splits {
                    for way in &ways {
                        let mut split = split.clone();
                        split.push(way.clone());
                        next.push(split);
                    }
                }
                splits = next;
            }
            for split in splits {
                let mut partial: Vec<Vec<Vec<Loop>>> = vec![vec![Vec::new(); chain.levels.len()]];
                for (at, &level) in places.iter().enumerate() {
                    let factors = split.iter().enumerate();
                    let loops: Vec<Loop> = factors
                        .filter(|(_, way)| way[at] > 1)
                        .map(|(rank, way)| Loop::temporal(rank as u8, way[at]))
                        .collect();
                    let orders = permutations(&loops);
                    let mut next = Vec::new();
                    for levels in &partial {
                        for order in &orders {
                            let mut levels = levels.clone();
                            levels[level] = order.clone();
                            next.push(levels);
                        }
                    }
                    partial = next;
                }
                for mut levels in partial {
                    for l in &side {
                        levels[usize::from(l.place.expect("spatial").level)].push(*l);
                    }
                    all.push(Nest::even(&chain, &levels));
                }
                if all.len() > limit {
                    return None;
                }
            }
        }
    }
    Some(all)
}

fn factorings(n: u64, parts: usize) -> Vec<Vec<u64>> {
    if parts == 1 {
        return vec![vec![n]];
    }
    let mut all = Vec::new();
    for f in (1..=n).filter(|f| n % f == 0) {
        for mut rest in factorings(n / f, parts - 1) {
            rest.insert(0, f);
            all.push(rest);
        }
    }
    all
}

fn cost(einsum: &Einsum, system: &System, nest: &Nest, convention: Convention) -> Option<(f64, f64)> {
    let chain = Chain::of(system, 0);
    let e = evaluate(einsum, Dtype::Int8, system, &chain, nest, &WIDTHS, convention);
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

/// Problems per convention; the whole number takes minutes without optimization.
const PROBLEMS: usize = if cfg!(debug_assertions) { 100 } else { 2500 };

fn compare(convention: Convention, seed: u64) {
    let mut dice = Dice(seed);
    let (mut done, mut mappings) = (0, 0);
    while done < PROBLEMS {
        let (einsum, text) = (einsum(&mut dice), chip(&mut dice));
        let system = system(&text);
        let Some(nests) = nests(&einsum, &system, 3000) else {
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
            uneven: false,
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
            let best = costs
                .iter()
                .map(|c| key(aim, *c))
                .min_by(|a, b| a.partial_cmp(b).expect("numbers"));
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
                cost(&einsum, &system, n, convention).is_some_and(|c| key(aim, c) == best)
            };
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
    let line = format!("{convention:?}: {done} problems, {mappings} mappings\n");
    std::io::stderr().write_all(line.as_bytes()).expect("stderr");
}

#[test]
fn the_best_mapping_is_the_best_of_all_physically() {
    compare(Convention::Physical, 0x9e37_79b9_7f4a_7c15);
}
