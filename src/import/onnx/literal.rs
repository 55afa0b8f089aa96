//! Contents of small tensors stored in the file.

use super::elem::Elem;
use super::hint::{BLOCKED, Band, Hint, short_count};
use super::proto::TensorMsg;
use super::value::{Dims, Fault, Lit, MAX_KNOWN, Value, elements, wrong};
use super::wire::varint;

/// Shape, type and, if it is small and in the file, the contents of a stored tensor.
pub(super) fn tensor(t: &TensorMsg) -> Result<Value, Fault> {
    let code = t.data_type;
    let Some(elem) = Elem::of(code) else {
        return wrong(format!("element type {code} is not known"));
    };
    let dims = Dims::from_slice(&t.dims);
    let n = elements(&dims)?;
    let known = if n <= MAX_KNOWN && !t.is_external {
        contents(t, code, n as usize)
    } else {
        None
    };
    let mut value = Value::new(dims, elem)?.with(known);
    value.hint = short_count(&value).or_else(|| {
        let raw = t.raw.filter(|_| !t.is_external)?;
        triangle(&value.dims, code, raw)
    });
    Ok(value)
}

/// Elements of a mask that are looked at.
const MAX_MASK: usize = 1 << 24;

/// A mask that cuts off along a diagonal: true or 0 up to it, false or far below zero behind.
fn triangle(dims: &[i64], code: i32, raw: &[u8]) -> Option<Hint> {
    let (lead, [rows, columns]) = dims.split_last_chunk()?;
    let [rows, columns] = [*rows, *columns].map(|n| usize::try_from(n).unwrap_or(0));
    let n = rows.checked_mul(columns)?;
    let is_mask = rows > 1 && columns > 1 && lead.iter().all(|d| *d == 1);
    if !is_mask || n > MAX_MASK || raw.len() != n.checked_mul(width(code)?)? {
        return None;
    }
    let is_open: fn(&[u8]) -> Option<bool> = match code {
        9 => |b| Some(b != [0]),
        1 => |b| open(f32::from_le_bytes(b.try_into().ok()?).into()),
        10 => |b| open(half(u16::from_le_bytes(b.try_into().ok()?))),
        16 => |b| open(brain(u16::from_le_bytes(b.try_into().ok()?))),
        _ => return None,
    };
    let mut cells = raw.chunks_exact(width(code)?).map(is_open);
    let first = cells.clone().take(columns);
    let reach = first.take_while(|c| *c == Some(true)).count();
    for row in 0..rows {
        for column in 0..columns {
            if cells.next()?? != (column < reach.saturating_add(row)) {
                return None;
            }
        }
    }
    let band = Band::up_to(reach as i64 - 1);
    Some(match code {
        9 => Hint::Allowed(band),
        _ => Hint::Added(band),
    })
}

fn open(added: f64) -> Option<bool> {
    if added == 0.0 {
        Some(true)
    } else {
        (added <= BLOCKED).then_some(false)
    }
}

fn contents(t: &TensorMsg, code: i32, n: usize) -> Option<Lit> {
    if let Some(raw) = t.raw.filter(|raw| !raw.is_empty()) {
        return from_bytes(raw, code, n);
    }
    if n == 0 {
        return Some(Lit::none(code));
    }
    let bits = match t.packed {
        // Singles and doubles are packed as they are, integers with seven bits a byte.
        Some((4, packed)) => return from_bytes(packed, 1, n),
        Some((10, packed)) => return from_bytes(packed, 11, n),
        Some((_, packed)) => {
            let mut at = 0;
            let each = std::iter::from_fn(|| varint(packed, &mut at));
            each.take(n).collect()
        }
        None => t.loose.clone(),
    };
    Some(match code {
        1 => Lit::Float(
            bits.iter()
                .map(|x| f32::from_bits(*x as u32).into())
                .collect(),
        ),
        11 => Lit::Float(bits.iter().map(|x| f64::from_bits(*x)).collect()),
        10 => Lit::Float(bits.iter().map(|x| half(*x as u16)).collect()),
        16 => Lit::Float(bits.iter().map(|x| brain(*x as u16)).collect()),
        7 | 12 | 13 => Lit::Int(bits.iter().map(|x| *x as i64).collect()),
        // Negative numbers of 32 bits and fewer are written with 64.
        2..=6 | 9 => Lit::Int(bits.iter().map(|x| i64::from(*x as i32)).collect()),
        _ => return None,
    })
}

impl Lit {
    /// Contents of an empty tensor of an element type.
    fn none(code: i32) -> Self {
        match code {
            1 | 10 | 11 | 16 => Self::Float([].into()),
            _ => Self::Int([].into()),
        }
    }
}

fn from_bytes(raw: &[u8], code: i32, n: usize) -> Option<Lit> {
    fn each<const W: usize, T>(raw: &[u8], f: impl Fn([u8; W]) -> T) -> Vec<T> {
        let whole = raw.chunks_exact(W);
        whole.filter_map(|c| c.try_into().ok().map(&f)).collect()
    }
    let raw = raw.get(..n.checked_mul(width(code)?)?)?;
    Some(match code {
        1 => Lit::Float(each(raw, |b| f64::from(f32::from_le_bytes(b))).into()),
        11 => Lit::Float(each(raw, f64::from_le_bytes).into()),
        10 => Lit::Float(each(raw, |b| half(u16::from_le_bytes(b))).into()),
        16 => Lit::Float(each(raw, |b| brain(u16::from_le_bytes(b))).into()),
        2 | 9 => Lit::Int(raw.iter().map(|b| i64::from(*b)).collect()),
        3 => Lit::Int(raw.iter().map(|b| i64::from(*b as i8)).collect()),
        4 => Lit::Int(each(raw, |b| i64::from(u16::from_le_bytes(b))).into()),
        5 => Lit::Int(each(raw, |b| i64::from(i16::from_le_bytes(b))).into()),
        6 => Lit::Int(each(raw, |b| i64::from(i32::from_le_bytes(b))).into()),
        12 => Lit::Int(each(raw, |b| i64::from(u32::from_le_bytes(b))).into()),
        7 | 13 => Lit::Int(each(raw, i64::from_le_bytes).into()),
        _ => return None,
    })
}

fn width(code: i32) -> Option<usize> {
    Some(match code {
        2 | 3 | 9 => 1,
        4 | 5 | 10 | 16 => 2,
        1 | 6 | 12 => 4,
        7 | 11 | 13 => 8,
        _ => return None,
    })
}

fn brain(bits: u16) -> f64 {
    f64::from(f32::from_bits(u32::from(bits) << 16))
}

fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    sign * match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * 2f64.powi(exponent - 15),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_bit_floats_are_read() {
        assert_eq!(half(0x3c00), 1.0);
        assert_eq!(half(0xc000), -2.0);
        assert_eq!(half(0x0001), 2f64.powi(-24));
        assert_eq!(half(0x7bff), 65504.0);
        assert_eq!(brain(0x3f80), 1.0);
    }

    #[test]
    fn external_and_short_contents_stay_unknown() {
        let (short, whole) = ([0; 8], [1; 16]);
        let mut t = TensorMsg {
            dims: [2].into_iter().collect(),
            data_type: 7,
            raw: Some(&short),
            ..TensorMsg::default()
        };
        assert!(tensor(&t).expect("has a shape").known.is_none());
        t.raw = Some(&whole);
        assert!(tensor(&t).expect("has a shape").known.is_some());
        t.is_external = true;
        assert!(tensor(&t).expect("has a shape").known.is_none());
    }

    #[test]
    fn a_triangle_is_seen() {
        let raw: Vec<u8> = [0.0f32, f32::MIN, f32::MIN, 0.0, 0.0, f32::MIN]
            .iter()
            .flat_map(|x| x.to_le_bytes())
            .collect();
        let law = |dims: &[i64]| triangle(dims, 1, &raw);
        assert_eq!(law(&[1, 2, 3]), Some(Hint::Added(Band::up_to(0))));
        assert_eq!(law(&[3, 2]), None);
        assert_eq!(law(&[6]), None);
    }

    #[test]
    fn typed_fields_are_read() {
        // -1 as protobuf writes a negative int32: ten bytes.
        let packed = [255, 255, 255, 255, 255, 255, 255, 255, 255, 1, 5];
        let t = TensorMsg {
            dims: [2].into_iter().collect(),
            data_type: 6,
            packed: Some((5, &packed)),
            ..TensorMsg::default()
        };
        let found = tensor(&t).expect("has a shape").known;
        assert_eq!(found, Some(Lit::Int([-1, 5].into())));
    }
}
