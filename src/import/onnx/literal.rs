//! Contents of small tensors stored in the file.

use super::elem::Elem;
use super::proto::TensorProto;
use super::value::{Dims, Fault, Lit, MAX_KNOWN, Value, elements, wrong};

/// Shape, type and, if it is small and in the file, the contents of a stored tensor.
pub(super) fn tensor(t: &TensorProto) -> Result<Value, Fault> {
    let code = t.data_type.unwrap_or(0);
    let Some(elem) = Elem::of(code) else {
        return wrong(format!("element type {code} is not known"));
    };
    let dims = Dims::from_slice(&t.dims);
    let n = elements(&dims)?;
    let known = if n <= MAX_KNOWN && t.data_location.unwrap_or(0) == 0 {
        contents(t, code, n as usize)
    } else {
        None
    };
    Ok(Value::new(dims, elem)?.with(known))
}

fn contents(t: &TensorProto, code: i32, n: usize) -> Option<Lit> {
    if let Some(raw) = t.raw_data.as_ref().filter(|raw| !raw.is_empty()) {
        return from_bytes(raw, code, n);
    }
    let lit = match code {
        1 => Lit::Float(t.float_data.iter().map(|x| f64::from(*x)).collect()),
        11 => Lit::Float(t.double_data.iter().copied().collect()),
        10 => Lit::Float(t.int32_data.iter().map(|x| half(*x as u16)).collect()),
        16 => Lit::Float(t.int32_data.iter().map(|x| brain(*x as u16)).collect()),
        7 => Lit::Int(t.int64_data.iter().copied().collect()),
        12 | 13 => Lit::Int(t.uint64_data.iter().map(|x| *x as i64).collect()),
        2..=6 | 9 => Lit::Int(t.int32_data.iter().map(|x| i64::from(*x)).collect()),
        _ => return None,
    };
    Some(lit)
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
        let mut t = TensorProto {
            dims: vec![2],
            data_type: Some(7),
            raw_data: Some(vec![0; 8].into()),
            ..TensorProto::default()
        };
        assert!(tensor(&t).expect("has a shape").known.is_none());
        t.raw_data = Some(vec![1; 16].into());
        assert!(tensor(&t).expect("has a shape").known.is_some());
        t.data_location = Some(1);
        assert!(tensor(&t).expect("has a shape").known.is_none());
    }
}
