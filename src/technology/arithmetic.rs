//! Energy and area of multipliers and adders.

use crate::units::{Joules, Meters, SquareMeters};
use crate::workload::Dtype;

use super::node::{energy_at, relative_area};

/// Energy of one operation at two nodes.
struct Op {
    pj_45: f64,
    pj_7: f64,
}

// Source of the energies below: 45 nm: Horowitz, "Computing's energy problem", ISSCC 2014, figure
// 1.1.9; 7 nm: Jouppi et al., "Ten lessons from three generations shaped Google's TPUv4i", ISCA 2021,
// table 2, from memory, to be confirmed. bf16 has no 45 nm figure: fp16's ratio between the nodes is used.
const INT8_ADD: Op = Op {
    pj_45: 0.03,
    pj_7: 0.007,
};
const INT32_ADD: Op = Op {
    pj_45: 0.1,
    pj_7: 0.03,
};
const FP16_ADD: Op = Op {
    pj_45: 0.4,
    pj_7: 0.16,
};
const FP32_ADD: Op = Op {
    pj_45: 0.9,
    pj_7: 0.38,
};
const INT8_MUL: Op = Op {
    pj_45: 0.2,
    pj_7: 0.07,
};
const INT32_MUL: Op = Op {
    pj_45: 3.1,
    pj_7: 1.48,
};
const BF16_MUL: Op = Op {
    pj_45: 0.21 * 1.1 / 0.34,
    pj_7: 0.21,
};
const FP16_MUL: Op = Op {
    pj_45: 1.1,
    pj_7: 0.34,
};
const FP32_MUL: Op = Op {
    pj_45: 3.7,
    pj_7: 1.31,
};

/// Energy of a multiply-accumulate whose inputs have this format.
///
/// `multiply(inputs) + add(accumulator)`, the accumulator being fp32 or int32. Formats without a
/// published figure follow the area law of array multipliers, energy ∝ width²: int4 from int8, int16
/// between int8 and int32, fp8 from fp16 by the mantissa widths (4 and 11 bits, the implicit one
/// included), fp4 by 2 bits. A block scale adds one fp32 multiplication per 32 or 16 elements.
///
/// `None` for formats that no multiplier takes.
pub fn mac_energy(node: Meters, dtype: Dtype) -> Option<Joules> {
    let at = |op: &Op| energy_at(node, op.pj_45, op.pj_7);
    let (multiply, add) = match dtype {
        Dtype::Int4 => (at(&INT8_MUL) / 4.0, at(&INT32_ADD)),
        Dtype::Int8 => (at(&INT8_MUL), at(&INT32_ADD)),
        Dtype::Int16 => ((at(&INT8_MUL) * at(&INT32_MUL)).sqrt(), at(&INT32_ADD)),
        Dtype::Int32 => (at(&INT32_MUL), at(&INT32_ADD)),
        Dtype::Mxfp4 => (
            narrow_float(node, 2.0) + at(&FP32_MUL) / 32.0,
            at(&FP32_ADD),
        ),
        Dtype::Nvfp4 => (
            narrow_float(node, 2.0) + at(&FP32_MUL) / 16.0,
            at(&FP32_ADD),
        ),
        Dtype::Fp8 | Dtype::Fp8Block => (narrow_float(node, 4.0), at(&FP32_ADD)),
        Dtype::Bf16 => (at(&BF16_MUL), at(&FP32_ADD)),
        // tf32 has fp16's mantissa.
        Dtype::Fp16 | Dtype::Tf32 => (at(&FP16_MUL), at(&FP32_ADD)),
        Dtype::Fp32 => (at(&FP32_MUL), at(&FP32_ADD)),
        Dtype::Fp64 => (
            at(&FP32_MUL) * (53.0 / 24.0_f64).powi(2),
            2.0 * at(&FP32_ADD),
        ),
        Dtype::Int64 | Dtype::Bool => return None,
    };
    Some(Joules((multiply + add) * 1e-12))
}

/// Energy of a simple vector operation (the mean of an addition and a multiplication).
///
/// Formats below 16 bits run on 16-bit float lanes, 64-bit integers on 32-bit ones.
pub fn op_energy(node: Meters, dtype: Dtype) -> Joules {
    let at = |op: &Op| energy_at(node, op.pj_45, op.pj_7);
    let pj = match dtype {
        Dtype::Int4 | Dtype::Int8 | Dtype::Bool => (at(&INT8_ADD) + at(&INT8_MUL)) / 2.0,
        Dtype::Int16 | Dtype::Int32 | Dtype::Int64 => (at(&INT32_ADD) + at(&INT32_MUL)) / 2.0,
        Dtype::Bf16 | Dtype::Fp16 | Dtype::Fp8 | Dtype::Fp8Block | Dtype::Mxfp4 | Dtype::Nvfp4 => {
            (at(&FP16_ADD) + at(&FP16_MUL)) / 2.0
        }
        Dtype::Fp32 | Dtype::Tf32 => (at(&FP32_ADD) + at(&FP32_MUL)) / 2.0,
        Dtype::Fp64 => at(&FP32_ADD) + at(&FP32_MUL),
    };
    Joules(pj * 1e-12)
}

/// fp16's multiplier energy scaled by the square of the mantissa width (11 bits with the implicit one).
fn narrow_float(node: Meters, mantissa: f64) -> f64 {
    energy_at(node, FP16_MUL.pj_45, FP16_MUL.pj_7) * (mantissa / 11.0).powi(2)
}

/// Area of one multiply-accumulate unit at 45 nm in µm², adder to the accumulator included.
///
/// Source: Horowitz, ISSCC 2014 area column (as repeated in Dally, "Hardware for deep learning", Hot
/// Chips 2023 keynote): int8 add 36 and multiply 282, int32 add 137, fp16 multiply 1640, fp32 add 4184
/// and multiply 7700 µm².
const AREA_45_UM2: &[(Dtype, f64)] = &[
    (Dtype::Int8, 282.0 + 137.0),
    (Dtype::Fp16, 1640.0 + 4184.0),
    (Dtype::Fp32, 7700.0 + 4184.0),
];

/// Area of one multiply-accumulate unit; narrower formats scale with the square of their mantissa.
///
/// `None` for formats that no multiplier takes.
pub fn mac_area(node: Meters, dtype: Dtype) -> Option<SquareMeters> {
    let known = |d: Dtype| AREA_45_UM2.iter().find(|(k, _)| *k == d).map(|e| e.1);
    let fp32_add = 4184.0;
    let float = |mantissa: f64| 1640.0 * (mantissa / 11.0_f64).powi(2) + fp32_add;
    let um2 = match dtype {
        Dtype::Int4 => 282.0 / 4.0 + 137.0,
        Dtype::Int16 => 282.0 * 4.0 + 137.0,
        Dtype::Int32 => 282.0 * 16.0 + 137.0,
        Dtype::Mxfp4 | Dtype::Nvfp4 => float(2.0),
        Dtype::Fp8 | Dtype::Fp8Block => float(4.0),
        Dtype::Bf16 => float(8.0),
        Dtype::Tf32 => float(11.0),
        Dtype::Fp64 => known(Dtype::Fp32)? * (53.0 / 24.0_f64).powi(2),
        Dtype::Int8 | Dtype::Fp16 | Dtype::Fp32 => known(dtype)?,
        Dtype::Int64 | Dtype::Bool => return None,
    };
    let at_45 = relative_area(Meters(45e-9));
    Some(SquareMeters(um2 * 1e-12 * relative_area(node) / at_45))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_nodes_come_back_exactly() {
        let pj = |nm: f64, d| mac_energy(Meters(nm * 1e-9), d).expect("known").0 * 1e12;
        assert!((pj(45.0, Dtype::Int8) - 0.3).abs() < 1e-9); // 0.2 + 0.1, Horowitz
        assert!((pj(45.0, Dtype::Fp32) - 4.6).abs() < 1e-9); // 3.7 + 0.9, Horowitz
        assert!((pj(7.0, Dtype::Bf16) - 0.59).abs() < 1e-9); // 0.21 + 0.38, TPUv4i
    }

    #[test]
    fn newer_nodes_and_narrower_formats_cost_less() {
        let all = [3.0, 5.0, 7.0, 12.0, 16.0, 28.0, 45.0, 65.0];
        for pair in all.windows(2) {
            for dtype in [
                Dtype::Int4,
                Dtype::Int8,
                Dtype::Fp8,
                Dtype::Bf16,
                Dtype::Fp32,
            ] {
                let of = |nm: f64| mac_energy(Meters(nm * 1e-9), dtype).expect("known");
                assert!(of(pair[0]) < of(pair[1]), "{dtype} {pair:?}");
                let area = |nm: f64| mac_area(Meters(nm * 1e-9), dtype).expect("known");
                assert!(area(pair[0]) < area(pair[1]), "{dtype} {pair:?}");
            }
        }
        let at_7 = |d| mac_energy(Meters(7e-9), d).expect("known");
        assert!(at_7(Dtype::Int4) < at_7(Dtype::Int8));
        assert!(at_7(Dtype::Fp8) < at_7(Dtype::Bf16));
        assert!(at_7(Dtype::Bf16) < at_7(Dtype::Fp32));
    }
}
