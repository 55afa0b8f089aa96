//! Time of exchanges among chips.

use crate::hardware::kernels::Exchange;
use crate::hardware::{Direction, Link, System};
use crate::units::{Bytes, Seconds};
use crate::workload::{Collective, CollectiveKind, Stack};

use super::book::Cost;
use super::gpu::expected_error;

/// Chips from which switches add up.
///
/// Source: NVIDIA NCCL, `src/graph/tuning.cc`: sums in the switch pay off beyond rings of a few chips.
const SWITCHED: f64 = 8.0;

/// Cost of an exchange; `None` without a link that reaches so many chips.
///
/// By the kernels of a stack where the chip's family has them, else a ring over its link:
/// `steps · latency + sent bytes / bandwidth`.
pub fn collective(system: &System, stack: Stack, c: &Collective) -> Option<Cost> {
    let peers = c.chips.saturating_sub(1);
    let link = system.links.iter().find(|link| link.peers >= peers)?;
    let mut cost = Cost::free(system);
    if peers == 0 {
        return Some(cost);
    }
    let sets = system.kernels.as_deref().map(|k| &k.collective);
    match sets.and_then(|sets| sets.get(c.kind, stack)) {
        Some(set) => {
            let (launch, time) = exchange(link, c, set);
            cost.launch = Some(Seconds(launch));
            cost.link = Seconds(time);
            cost.host = Some(set.host);
            let accuracy = sets.and_then(|sets| sets.accuracy(c.kind, stack));
            cost.error = expected_error(system, accuracy);
        }
        None => {
            let n = c.chips as f64;
            let sent = Bytes(c.bytes * c.kind.sent(n));
            cost.link = link.latency * c.kind.steps(n) + sent / link.bandwidth;
        }
    }
    let main = system.memories.iter().position(|m| !m.is_on_chip());
    if let Some(main) = main {
        // Each part is read once and each result written once; what passes through is on top.
        let (read, written) = match c.kind {
            CollectiveKind::AllReduce | CollectiveKind::AllToAll => (c.bytes, c.bytes),
            CollectiveKind::AllGather => (c.bytes / c.chips as f64, c.bytes),
            CollectiveKind::ReduceScatter => (c.bytes, c.bytes / c.chips as f64),
        };
        cost.traffic[main].read = Bytes(read);
        cost.traffic[main].written = Bytes(written);
        let memory = &system.memories[main];
        let both = memory.achieved_bandwidth(Direction::Both) * memory.instances as f64;
        cost.ports[main] = Bytes(read + written) / both;
        let traffic = cost.traffic.clone();
        cost.energy.book_traffic(system, &traffic);
        // What links draw has no figure.
        cost.energy.events += c.bytes * c.kind.sent(c.chips as f64);
    }
    Some(cost)
}

/// Start and time of an exchange by a library, in seconds: the fastest of what it has.
///
/// ```text
/// low        = launch + steps hop + sent/(B low_share)
/// bulk       = launch + bulk + steps bulk_hop + sent (1/bulk_share + pair/(n-1))/B
/// in network = launch + bulk + bytes n/(n-1)/(B in_network)                    sums, n >= 8
/// one shot   = direct_launch + (n-1) bytes/(B direct_share)
/// two shots  = direct_launch + two_shot + sent/(B direct_share)
/// ```
fn exchange(link: &Link, c: &Collective, set: &Exchange) -> (f64, f64) {
    let (n, bandwidth) = (c.chips as f64, link.bandwidth.0);
    let (steps, sent) = (c.kind.steps(n), c.bytes * c.kind.sent(n));
    let launch = set.launch.0;
    let low = steps * set.hop.0 + sent / (bandwidth * set.low_share);
    let slow = 1.0 / set.bulk_share + set.pair / (n - 1.0);
    let bulk = set.bulk.0 + steps * set.bulk_hop.0 + sent * slow / bandwidth;
    let mut ring = low.min(bulk);
    let sums = c.kind == CollectiveKind::AllReduce;
    if sums && c.is_float && n >= SWITCHED {
        let switched = set.bulk.0 + c.bytes * n / (n - 1.0) / (bandwidth * set.in_network);
        ring = ring.min(switched);
    }
    let mut best = (launch, ring);
    if c.bytes <= set.direct_most.0 {
        let rate = bandwidth * set.direct_share;
        let once = if sums { (n - 1.0) * c.bytes } else { sent };
        let twice = set.two_shot.0 + sent / rate;
        let direct = (once / rate).min(if sums { twice } else { f64::INFINITY });
        if set.direct_launch.0 + direct < launch + ring {
            best = (set.direct_launch.0, direct);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::BytesPerSecond;

    fn link() -> Link {
        Link {
            name: "l".into(),
            bandwidth: BytesPerSecond(100e9),
            latency: Seconds(1e-6),
            peers: 7,
        }
    }

    fn set() -> Exchange {
        Exchange {
            launch: Seconds(4e-6),
            hop: Seconds(1e-6),
            low_share: 0.1,
            bulk: Seconds(10e-6),
            bulk_hop: Seconds(2e-6),
            bulk_share: 0.8,
            pair: 0.5,
            in_network: 0.01,
            direct_share: 0.01,
            direct_launch: Seconds(2e-6),
            two_shot: Seconds(3e-6),
            direct_most: Bytes(1.0),
            host: Seconds(20e-6),
        }
    }

    fn sum(chips: u64, bytes: f64) -> Collective {
        Collective {
            kind: CollectiveKind::AllReduce,
            chips,
            bytes,
            is_float: true,
        }
    }

    #[track_caller]
    fn close(found: (f64, f64), launch: f64, time: f64) {
        assert!((found.0 - launch).abs() < 1e-12, "{found:?}");
        assert!((found.1 / time - 1.0).abs() < 1e-9, "{found:?} {time}");
    }

    #[test]
    fn a_small_sum_passes_2_n_minus_1_times() {
        // Six steps, and 1.5 · 1000 B at 10 GB/s.
        close(
            exchange(&link(), &sum(4, 1e3), &set()),
            4e-6,
            6e-6 + 1.5e3 / 10e9,
        );
    }

    #[test]
    fn a_large_sum_is_bound_by_links() {
        // 10 us, six steps of 2 us, 1.5 · 1 GB · (1/0.8 + 0.5/3) at 100 GB/s.
        let time = 10e-6 + 12e-6 + 1.5e9 * (1.25 + 0.5 / 3.0) / 100e9;
        close(exchange(&link(), &sum(4, 1e9), &set()), 4e-6, time);
    }

    #[test]
    fn eight_chips_sum_in_the_switch() {
        let mut set = set();
        set.in_network = 0.9;
        let time = 10e-6 + 1e9 * 8.0 / 7.0 / 90e9;
        close(exchange(&link(), &sum(8, 1e9), &set), 4e-6, time);
        // Not of integers.
        let mut integers = sum(8, 1e9);
        integers.is_float = false;
        assert!(exchange(&link(), &integers, &set).1 > 1.5 * time);
    }

    #[test]
    fn direct_kernels_take_one_shot_or_two() {
        let mut set = set();
        (set.direct_share, set.direct_most) = (0.5, Bytes(1e6));
        // 3 · 10 kB at 50 GB/s are faster than 3 us more for half of it.
        close(exchange(&link(), &sum(4, 1e4), &set), 2e-6, 3e4 / 50e9);
        close(
            exchange(&link(), &sum(4, 1e6), &set),
            2e-6,
            3e-6 + 1.5e6 / 50e9,
        );
        // Beyond their largest buffer the ring takes over.
        assert!(exchange(&link(), &sum(4, 2e6), &set).0 > 3e-6);
    }
}
