//! Whole-chip sections: process, links, overheads, mapspace, power, package.

use super::chip::{Chip, disagree};
use super::keys::{PROCESS_NAMES, refuse_not_modelled};
use crate::document::{Node as Value, Reader};
use crate::hardware::{Class, Link, Overhead, PowerLimits, Process, RowStationary, Tiles};
use crate::units::{Bytes, Hertz, Meters, Seconds, SquareMeters, Volts, Watts};

const NANOMETER: f64 = 1e-9;

/// Node, clock and operating points; what is assumed of them comes beside them.
pub(super) fn process(root: &Reader, class: Class) -> (Process, Vec<(&'static str, String)>) {
    let (node, clock) = match class {
        Class::Gpu | Class::Npu => (7.0, 1.5e9),
        Class::Cpu => (7.0, 3e9),
        Class::Edge => (12.0, 1e9),
        Class::Imc => (22.0, 0.5e9),
        Class::Photonic => (12.0, 5e9),
    };
    let default = Process {
        node: Meters(node * NANOMETER),
        clock: Hertz(clock),
        vf: Vec::new(),
    };
    let mut assumed = Vec::new();
    let reader = root.table("process");
    let has = |key| reader.as_ref().is_some_and(|r| r.raw().get(key).is_some());
    if !has("node") {
        assumed.push(("process.node", default.node.to_string()));
    }
    if !has("clock") {
        assumed.push(("process.clock", default.clock.to_string()));
    }
    let Some(reader) = reader else {
        return (default, assumed);
    };
    reader.string("source");
    let process = Process {
        node: feature_size(&reader).unwrap_or(default.node),
        clock: reader.positive("clock").unwrap_or(default.clock),
        vf: operating_points(&reader),
    };
    reader.finish();
    (process, assumed)
}

fn feature_size(reader: &Reader) -> Option<Meters> {
    let node = reader.get("node")?;
    let named = node
        .as_text()
        .map(|text| text.trim_start_matches("TSMC ").trim());
    let known = PROCESS_NAMES.iter().find(|(name, _)| Some(*name) == named);
    let size = match known {
        Some((_, nm)) => Meters(nm * NANOMETER),
        None => reader.positive_of("node", node)?,
    };
    // A node of 1 nm may round to a little less.
    if !(0.999 * NANOMETER..=1000.5 * NANOMETER).contains(&size.0) {
        reader.out_of_range("node", node, "must lie within 1 nm and 1000 nm");
        return None;
    }
    Some(size)
}

fn operating_points(reader: &Reader) -> Vec<(Volts, Hertz)> {
    let mut points: Vec<(Volts, Hertz)> = Vec::new();
    for node in reader.list("vf").unwrap_or(&[]) {
        let Some([volts, clock]) = node.as_list() else {
            reader.wrong_type(
                "vf",
                node,
                "a list of pairs such as [\"0.75 V\", \"1 GHz\"]",
            );
            continue;
        };
        let pair = (
            reader.positive_of("vf", volts),
            reader.positive_of("vf", clock),
        );
        let (Some(volts), Some(clock)) = pair else {
            continue;
        };
        if let Some(last) = points.last()
            && (last.0 >= volts || last.1 >= clock)
        {
            reader.out_of_range("vf", node, "must list voltages and clocks in rising order");
        }
        points.push((volts, clock));
    }
    points
}

/// Reads one link.
pub(super) fn link(chip: &Chip, name: &str, reader: &Reader) -> Link {
    refuse_not_modelled(reader);
    reader.string("source");
    if reader.raw().get("bandwidth").is_none() {
        reader.missing(
            "bandwidth",
            "per direction, all lanes together, e.g. \"450 GB/s\"",
        );
    }
    let bandwidth = chip.bandwidth(reader, "bandwidth");
    let latency = chip.time(reader, "latency");
    let peers = reader.integer("peers", 1..=1 << 20);
    let reason = "between the latencies of NVLink and of network links";
    Link {
        name: name.to_owned(),
        bandwidth: bandwidth.unwrap_or(crate::units::BytesPerSecond(1.0)),
        latency: chip.or(latency, reader, "latency", Seconds(2e-6), reason),
        peers: chip.or(peers, reader, "peers", 1, "the file does not say"),
    }
}

/// Runtime overheads.
///
/// Source of the GPU defaults: kernel floor 2.4 to 3.1 us under CUDA graphs on A100, H100 and H200
/// (AIConfigurator kernel data); host launch without graphs and the context's memory are estimates, as
/// are the figures of the other classes.
pub(super) fn overhead(chip: &Chip, root: &Reader) -> Overhead {
    let (kernel, launch, reserve) = match chip.class {
        Class::Gpu => (2.5e-6, 5e-6, 1_073_741_824.0),
        Class::Npu => (1e-6, 5e-6, 536_870_912.0),
        Class::Edge | Class::Imc | Class::Photonic => (1e-6, 10e-6, 0.0),
        Class::Cpu => (0.5e-6, 1e-6, 0.0),
    };
    let default = Overhead {
        kernel: Seconds(kernel),
        launch: Seconds(launch),
        tile: Seconds(0.0),
        dma_setup: Seconds(0.0),
        instruction: Seconds(0.0),
        reserve: Bytes(reserve),
    };
    let reason = "usual for the class";
    let Some(reader) = root.table("overhead") else {
        chip.assume("overhead.kernel".into(), default.kernel, reason);
        chip.assume("overhead.launch".into(), default.launch, reason);
        chip.assume("overhead.tile".into(), default.tile, reason);
        chip.assume("overhead.reserve".into(), default.reserve, reason);
        return default;
    };
    refuse_not_modelled(&reader);
    reader.string("source");
    let time = |key, value| chip.or(chip.time(&reader, key), &reader, key, value, reason);
    let found = reader.non_negative("reserve");
    let overhead = Overhead {
        kernel: time("kernel", default.kernel),
        launch: time("launch", default.launch),
        tile: time("tile", default.tile),
        dma_setup: chip.time(&reader, "dma_setup").unwrap_or(default.dma_setup),
        instruction: chip
            .time(&reader, "instruction")
            .unwrap_or(default.instruction),
        reserve: chip.or(found, &reader, "reserve", default.reserve, reason),
    };
    reader.finish();
    overhead
}

/// What `[mapspace]` says.
pub(super) struct Mapspace {
    pub(super) tiles: Tiles,
    pub(super) uneven: bool,
    pub(super) dataflow: Option<RowStationary>,
}

/// The declared set of tiles, whether mappings may be uneven, and what the hardware fixes.
pub(super) fn mapspace(
    chip: &Chip,
    root: &Reader,
    dataflow: impl FnOnce(&Reader) -> Option<RowStationary>,
) -> Mapspace {
    let default = match chip.class {
        Class::Gpu => (
            Tiles::Listed {
                m: vec![64, 128, 256],
                n: vec![8, 16, 32, 64, 128, 192, 256],
                k: vec![32, 64, 128],
            },
            "M 64 128 256, N 8 16 32 64 128 192 256, K 32 64 128",
        ),
        Class::Npu | Class::Edge | Class::Imc | Class::Photonic | Class::Cpu => {
            (Tiles::Padded, "padded")
        }
    };
    let reason = "tiles of GPU libraries; elsewhere divisors of the padded ranks";
    let Some(reader) = root.table("mapspace") else {
        chip.assume("mapspace.tiles".into(), default.1, reason);
        return Mapspace {
            tiles: default.0,
            uneven: false,
            dataflow: None,
        };
    };
    refuse_not_modelled(&reader);
    reader.string("source");
    let uneven = reader.boolean("uneven").unwrap_or(false);
    let is_given = reader.raw().get("tiles").is_some();
    let tiles = tiles(&reader).unwrap_or_else(|| {
        if !is_given {
            chip.assume("mapspace.tiles".into(), default.1, reason);
        }
        default.0
    });
    let dataflow = dataflow(&reader);
    reader.finish();
    Mapspace {
        tiles,
        uneven,
        dataflow,
    }
}

fn tiles(reader: &Reader) -> Option<Tiles> {
    let node = reader.get("tiles")?;
    if node.as_table().is_none() {
        let words = [("divisors", 0), ("padded", 1), ("ceil", 2)];
        let sets = [Tiles::Divisors, Tiles::Padded, Tiles::Ceil];
        let place = reader.choice_of("tiles", node, &words)?;
        return sets.into_iter().nth(place);
    }
    let table = reader.table("tiles")?;
    let side = |key: &'static str| -> Vec<u64> {
        let Some(items) = table.one_or_more(key).filter(|items| !items.is_empty()) else {
            table.missing(key, "list the tile sizes of M, N and K");
            return Vec::new();
        };
        if items.len() > 64 {
            table.push(items[64].problem(
                crate::diag::Code::OutOfRange,
                format!("`{}` lists more than 64 sizes", table.path_of(key)),
            ));
        }
        let size = |node: &Value| table.integer_of(key, node, 1..=1 << 20);
        let mut sizes: Vec<u64> = items.iter().filter_map(size).collect();
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    };
    let listed = Tiles::Listed {
        m: side("M"),
        n: side("N"),
        k: side("K"),
    };
    table.finish();
    Some(listed)
}

/// Power limits.
///
/// Source of the defaults: idle over TDP is 62/400 (A100), 70/700 (H100), 55/175 (TPU v4i), 90/192
/// (TPU v4), 8/60 (Jetson AGX Orin); active over TDP is 0.37 (H200 matrix products) to 0.49 (H100
/// serving).
pub(super) fn power(chip: &Chip, root: &Reader) -> PowerLimits {
    let mut limits = PowerLimits {
        tdp: None,
        cap: None,
        idle: None,
        active: None,
    };
    let Some(reader) = root.table("power") else {
        return limits;
    };
    reader.string("source");
    limits.tdp = reader.positive("tdp");
    let Some(tdp) = limits.tdp else {
        limits.cap = reader.positive("cap");
        limits.idle = reader.non_negative("idle");
        limits.active = reader.non_negative("active");
        reader.finish();
        return limits;
    };
    let (idle, active) = match chip.class {
        Class::Gpu => (0.1, 0.4),
        Class::Npu => (0.3, 0.1),
        Class::Cpu => (0.3, 0.2),
        Class::Edge | Class::Imc | Class::Photonic => (0.1, 0.1),
    };
    let reason = "usual share of the TDP for the class";
    let share = |key: &'static str, share: f64| {
        chip.or(reader.non_negative(key), &reader, key, tdp * share, reason)
    };
    limits.idle = Some(share("idle", idle));
    limits.active = Some(share("active", active));
    let cap: Option<Watts> = reader.positive("cap");
    limits.cap = Some(chip.or(cap, &reader, "cap", tdp, "the TDP"));
    if limits.idle >= limits.cap {
        let message = format!(
            "`power.idle` = {} leaves nothing below the limit of {}",
            limits.idle.unwrap_or_default(),
            limits.cap.unwrap_or_default()
        );
        disagree(
            &reader,
            "idle",
            message,
            "the limit must exceed the idle power",
        );
    }
    reader.finish();
    limits
}

/// Published die area.
pub(super) fn die(root: &Reader) -> Option<SquareMeters> {
    let reader = root.table("package")?;
    refuse_not_modelled(&reader);
    reader.string("source");
    let die = reader.positive("die");
    reader.finish();
    die
}
