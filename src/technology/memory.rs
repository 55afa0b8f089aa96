//! Energy, area and leakage of memories.

use crate::units::{Bytes, JoulesPerByte, Meters, SquareMeters, Watts};

use super::MemoryKind;
use super::node::{energy_at, interpolate, relative_area};

/// What is known of one instance of a memory.
#[derive(Clone, Debug, PartialEq)]
pub struct MemoryFigures {
    /// Energy per byte read.
    pub read: Option<JoulesPerByte>,
    /// Energy per byte written.
    pub write: Option<JoulesPerByte>,
    /// Area on the die; zero for memories outside of it.
    pub area: Option<SquareMeters>,
    /// Leakage.
    pub leakage: Option<Watts>,
    /// Where the energies come from.
    pub source: &'static str,
}

/// SRAM energy per 64-bit access in pJ by capacity in bytes.
///
/// Source: 45 nm: Horowitz, ISSCC 2014 (8 KiB 10, 32 KiB 20, 1 MiB 100 pJ); 7 nm: Jouppi et al., ISCA
/// 2021, table 2 (7.5, 8.5, 14 pJ; from memory, to be confirmed).
const SRAM_45: &[(f64, f64)] = &[(8192.0, 10.0), (32_768.0, 20.0), (1_048_576.0, 100.0)];
const SRAM_7: &[(f64, f64)] = &[(8192.0, 7.5), (32_768.0, 8.5), (1_048_576.0, 14.0)];

/// Energy of one register-file byte in pJ at 45 nm, for 64 to 512 B files.
///
/// Source: Chen et al., "Eyeriss", ISCA 2016, table IV: a 0.5 kB register file costs what a 16-bit MAC
/// does (1x) against 6x for a 100 kB buffer; the absolute value follows from the buffer's figure.
const REGFILE_SHARE_OF_100KB_SRAM: f64 = 1.0 / 6.0;

/// Energy of a flip-flop in pJ per bit at 40 nm.
///
/// Source: Aladdin (Shao et al., ISCA 2014) component table, register 0.009 pJ per bit at 40 nm.
const REGISTER_PJ_PER_BIT_40: f64 = 0.009;

/// Area of a flip-flop per bit at 40 nm in µm².
///
/// Source: as [`REGISTER_PJ_PER_BIT_40`]: 5.98 µm² per bit.
const REGISTER_UM2_PER_BIT_40: f64 = 5.98;

/// High-density SRAM bit cell in µm² by node in nm.
///
/// Source: from memory of foundry papers at IEDM and ISSCC, to be confirmed: 45 nm 0.242 (TSMC N45), 28 nm 0.127, 16 nm 0.070, 7 nm
/// 0.027, 5 nm 0.021, 3 nm 0.0199 (TSMC N3B); 65 nm 0.499.
const BIT_CELL_UM2: &[(f64, f64)] = &[
    (65.0, 0.499),
    (45.0, 0.242),
    (28.0, 0.127),
    (16.0, 0.070),
    (7.0, 0.027),
    (5.0, 0.021),
    (3.0, 0.0199),
];

/// Share of an SRAM macro that is bit cells, by capacity in bytes.
///
/// Source: Zhang et al., "LLMCompass", ISCA 2024, `cost_model.py`: 0.076 at 4 KiB to 0.704 at 128 KiB,
/// about 0.56 from 256 KiB on.
const ARRAY_EFFICIENCY: &[(f64, f64)] = &[
    (4096.0, 0.076),
    (8192.0, 0.142),
    (16_384.0, 0.247),
    (32_768.0, 0.393),
    (65_536.0, 0.559),
    (131_072.0, 0.704),
    (262_144.0, 0.526),
    (524_288.0, 0.602),
    (1_048_576.0, 0.561),
];

/// SRAM leakage in W per byte at 7 nm.
///
/// Source: estimate: 10 pA per high-density cell at 0.75 V and 25 °C, times 4 at 85 °C, times 2 for
/// the periphery. Older nodes leak about as much per cell.
const SRAM_LEAKAGE_PER_BYTE: f64 = 10e-12 * 0.75 * 8.0 * 4.0 * 2.0;

/// DRAM energy in pJ per bit at the device, with its source.
///
/// The controller and its PHY on the chip side come on top: [`PHY_PJ_PER_BIT`].
fn dram_pj_per_bit(kind: MemoryKind) -> Option<(f64, &'static str)> {
    const CACTI: &str = "Chatterjee et al., MICRO 2017, as used by accelergy-cacti";
    const MICRON: &str = "Micron device power table (GDDR6, GDDR6X, HBM2E)";
    const HW: &str = "hwcomponents-cacti";
    Some(match kind {
        MemoryKind::Ddr3 => (70.0, CACTI),
        MemoryKind::Ddr4 => (
            20.3,
            "Jouppi et al., ISCA 2021, table 2: 1300 pJ per 64 bits",
        ),
        MemoryKind::Ddr5 => (20.3 * 0.8, "estimate: 20 % below DDR4"),
        MemoryKind::Lpddr4 => (8.0, "accelergy-cacti-plug-in"),
        MemoryKind::Lpddr5 => (5.0, "estimate: middle of 4 to 6 pJ/bit"),
        MemoryKind::Gddr5 => (14.0, CACTI),
        MemoryKind::Gddr6 => (7.5, MICRON),
        MemoryKind::Gddr6x => (7.25, MICRON),
        MemoryKind::Gddr7 => (6.5, "estimate: a tenth below GDDR6X"),
        MemoryKind::Hbm2 => (3.9, "O'Connor et al., MICRO 2017"),
        MemoryKind::Hbm2e => (6.0, MICRON),
        MemoryKind::Hbm3 => (4.05, HW),
        MemoryKind::Hbm3e => (3.9, "Samsung HBM3E target"),
        MemoryKind::Hbm4 => (3.2, "estimate of hwcomponents-cacti: 20 % below HBM3"),
        MemoryKind::Sram | MemoryKind::RegFile | MemoryKind::Register | MemoryKind::External => {
            return None;
        }
    })
}

/// Controller and PHY on the processor side.
///
/// Source: estimate: middle of 1 to 2 pJ/bit.
const PHY_PJ_PER_BIT: f64 = 1.5;

/// On-chip wire energy per byte and meter.
///
/// Source: Dally, "Hardware for deep learning", Hot Chips 2023: 80 fJ/bit/mm at 5 nm; wires do not
/// scale with the node.
pub fn wire_energy() -> f64 {
    80e-15 * 8.0 / 1e-3
}

/// Figures of one instance of a memory of a kind and capacity at a node.
pub fn memory(kind: MemoryKind, node: Meters, capacity: Bytes) -> MemoryFigures {
    let per_byte = |pj: f64| Some(JoulesPerByte(pj * 1e-12));
    match kind {
        MemoryKind::Sram => MemoryFigures {
            read: per_byte(sram_pj_per_byte(node, capacity)),
            write: per_byte(sram_pj_per_byte(node, capacity)),
            area: Some(sram_area(node, capacity)),
            leakage: Some(Watts(SRAM_LEAKAGE_PER_BYTE * capacity.0)),
            source: "interpolated from Horowitz, ISSCC 2014 (45 nm) and Jouppi et al., ISCA 2021 (7 nm)",
        },
        MemoryKind::RegFile => {
            let pj = regfile_pj_per_byte(node, capacity);
            MemoryFigures {
                read: per_byte(pj),
                write: per_byte(pj),
                area: Some(register_area(node, capacity)),
                leakage: Some(Watts(SRAM_LEAKAGE_PER_BYTE * capacity.0)),
                source: "Chen et al., ISCA 2016, table IV, over the SRAM law",
            }
        }
        MemoryKind::Register => {
            let at_40 = REGISTER_PJ_PER_BIT_40 * 8.0;
            // Registers scale as adders do: int32 add, 45 and 7 nm.
            let scale = energy_at(node, 0.1, 0.03) / energy_at(Meters(40e-9), 0.1, 0.03);
            MemoryFigures {
                read: per_byte(at_40 * scale),
                write: per_byte(at_40 * scale),
                area: Some(register_area(node, capacity)),
                leakage: Some(Watts(SRAM_LEAKAGE_PER_BYTE * capacity.0)),
                source: "Shao et al., ISCA 2014 (Aladdin), register at 40 nm",
            }
        }
        MemoryKind::External => MemoryFigures {
            read: None,
            write: None,
            area: Some(SquareMeters::ZERO),
            leakage: Some(Watts::ZERO),
            source: "not described",
        },
        MemoryKind::Ddr3
        | MemoryKind::Ddr4
        | MemoryKind::Ddr5
        | MemoryKind::Lpddr4
        | MemoryKind::Lpddr5
        | MemoryKind::Gddr5
        | MemoryKind::Gddr6
        | MemoryKind::Gddr6x
        | MemoryKind::Gddr7
        | MemoryKind::Hbm2
        | MemoryKind::Hbm2e
        | MemoryKind::Hbm3
        | MemoryKind::Hbm3e
        | MemoryKind::Hbm4 => {
            let known = dram_pj_per_bit(kind);
            let energy = known.map(|(pj, _)| JoulesPerByte((pj + PHY_PJ_PER_BIT) * 8e-12));
            MemoryFigures {
                read: energy,
                write: energy,
                area: Some(SquareMeters::ZERO),
                leakage: Some(Watts::ZERO),
                source: known.map_or("not known", |(_, source)| source),
            }
        }
    }
}

/// Per byte of a 64-bit access, banked above 1 MiB: a bank, and wire to the middle of the macro.
fn sram_pj_per_byte(node: Meters, capacity: Bytes) -> f64 {
    let bank = capacity.0.min(1_048_576.0);
    let access = energy_at(node, law(SRAM_45, bank), law(SRAM_7, bank)) / 8.0;
    let side = |bytes: f64| sram_area(node, Bytes(bytes)).0.sqrt();
    let wire = (side(capacity.0) - side(bank)).max(0.0);
    access + wire_energy() * wire * 1e12
}

/// The points, continued below the smallest capacity with the slope between the first two.
fn law(points: &[(f64, f64)], bytes: f64) -> f64 {
    let (first, second) = (points[0], points[1]);
    if bytes >= first.0 {
        return interpolate(points, bytes);
    }
    let slope = (second.1 / first.1).ln() / (second.0 / first.0).ln();
    first.1 * (bytes.max(64.0) / first.0).powf(slope)
}

/// Grows with the square root of the capacity from 512 B, as bit and word lines do.
fn regfile_pj_per_byte(node: Meters, capacity: Bytes) -> f64 {
    let reference = sram_pj_per_byte(node, Bytes(102_400.0)) * REGFILE_SHARE_OF_100KB_SRAM;
    let size = (capacity.0 / 512.0).sqrt().clamp(0.25, 8.0);
    (reference * size).min(sram_pj_per_byte(node, capacity.max(Bytes(8192.0))))
}

fn sram_area(node: Meters, capacity: Bytes) -> SquareMeters {
    let cell = interpolate(BIT_CELL_UM2, node.0 * 1e9);
    let efficiency = interpolate(ARRAY_EFFICIENCY, capacity.0.max(1.0));
    SquareMeters(capacity.0 * 8.0 * cell * 1e-12 / efficiency)
}

fn register_area(node: Meters, capacity: Bytes) -> SquareMeters {
    let scale = relative_area(node) / relative_area(Meters(40e-9));
    SquareMeters(capacity.0 * 8.0 * REGISTER_UM2_PER_BIT_40 * 1e-12 * scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pj_per_64_bits(nm: f64, bytes: f64) -> f64 {
        let figures = memory(MemoryKind::Sram, Meters(nm * 1e-9), Bytes(bytes));
        figures.read.expect("known").0 * 8.0 * 1e12
    }

    #[test]
    fn published_sram_points_come_back() {
        assert!((pj_per_64_bits(45.0, 8192.0) - 10.0).abs() < 1e-9);
        assert!((pj_per_64_bits(45.0, 1_048_576.0) - 100.0).abs() < 1e-9);
        assert!((pj_per_64_bits(7.0, 32_768.0) - 8.5).abs() < 1e-9);
    }

    #[test]
    fn larger_memories_cost_more_per_byte_and_more_area() {
        let node = Meters(7e-9);
        for kind in [MemoryKind::Sram, MemoryKind::RegFile] {
            let sizes = [64.0, 512.0, 4096.0, 65_536.0, 524_288.0, 4e6, 64e6];
            for pair in sizes.windows(2) {
                let of = |bytes: f64| memory(kind, node, Bytes(bytes));
                assert!(of(pair[0]).read <= of(pair[1]).read, "{kind:?} {pair:?}");
                assert!(of(pair[0]).area < of(pair[1]).area, "{kind:?} {pair:?}");
            }
        }
    }

    #[test]
    fn registers_cost_less_than_a_register_file_less_than_sram() {
        let of = |kind, bytes| {
            let figures = memory(kind, Meters(7e-9), Bytes(bytes));
            figures.read.expect("known")
        };
        let register = of(MemoryKind::Register, 4.0);
        let file = of(MemoryKind::RegFile, 64.0);
        let sram = of(MemoryKind::Sram, 262_144.0);
        let dram = of(MemoryKind::Lpddr5, 4e9);
        assert!(register < file && file < sram && sram < dram);
    }
}
