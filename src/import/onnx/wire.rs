//! The protobuf wire format, read in place: fields are slices of the file.

use std::fmt;

/// Where and why bytes are not a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Damage {
    /// From the start of the file.
    at: usize,
    field: u32,
    what: &'static str,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "field {} at byte {} {}", self.field, self.at, self.what)
    }
}

/// Content of a field.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wire<'a> {
    Int(u64),
    Fixed32(u32),
    Fixed64(u64),
    Bytes(&'a [u8]),
}

/// One field of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field<'a> {
    pub(super) number: u32,
    pub(super) wire: Wire<'a>,
    /// Key and content.
    pub(super) whole: &'a [u8],
    /// Of its key, from the start of the file.
    at: usize,
    /// Of what follows it.
    end: usize,
}

fn damage(at: usize, field: u32, what: &'static str) -> Damage {
    Damage { at, field, what }
}

/// Fields of a message, one after the other.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    base: usize,
}

impl<'a> Reader<'a> {
    /// `base` is the place of `bytes` in the file.
    pub(super) fn new(bytes: &'a [u8], base: usize) -> Self {
        Self { bytes, at: 0, base }
    }

    /// The next field; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Field<'a>>, Damage> {
        if self.at >= self.bytes.len() {
            return Ok(None);
        }
        let start = self.at;
        let at = self.base + start;
        let Some(key) = varint(self.bytes, &mut self.at) else {
            return Err(damage(at, 0, "has a broken key"));
        };
        let number = (key >> 3).min(u64::from(u32::MAX)) as u32;
        if number == 0 {
            return Err(damage(at, 0, "is not one that a message can have"));
        }
        let wire = match key & 7 {
            0 => varint(self.bytes, &mut self.at).map(Wire::Int),
            1 => self.array().map(|b| Wire::Fixed64(u64::from_le_bytes(b))),
            2 => self.content().map(Wire::Bytes),
            5 => self.array().map(|b| Wire::Fixed32(u32::from_le_bytes(b))),
            _ => return Err(damage(at, number, "is of a kind that ONNX does not use")),
        };
        match wire {
            Some(wire) => Ok(Some(Field {
                number,
                wire,
                whole: &self.bytes[start..self.at],
                at,
                end: self.base + self.at,
            })),
            None => Err(damage(at, number, "is longer than the message around it")),
        }
    }

    #[inline]
    fn content(&mut self) -> Option<&'a [u8]> {
        let n = varint(self.bytes, &mut self.at)?;
        let left = self.bytes.len() - self.at;
        if n > left as u64 {
            return None;
        }
        let start = self.at;
        self.at += n as usize;
        Some(&self.bytes[start..self.at])
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let found = self.bytes.get(self.at..)?.first_chunk::<N>().copied()?;
        self.at += N;
        Some(found)
    }
}

impl<'a> Field<'a> {
    pub(super) fn damage(&self, what: &'static str) -> Damage {
        damage(self.at, self.number, what)
    }

    pub(super) fn bytes(&self) -> Result<&'a [u8], Damage> {
        match self.wire {
            Wire::Bytes(b) => Ok(b),
            Wire::Int(_) | Wire::Fixed32(_) | Wire::Fixed64(_) => {
                Err(self.damage("should hold bytes"))
            }
        }
    }

    pub(super) fn text(&self) -> Result<&'a str, Damage> {
        match std::str::from_utf8(self.bytes()?) {
            Ok(text) => Ok(text),
            Err(_) => Err(self.damage("is not a text")),
        }
    }

    pub(super) fn message(&self) -> Result<Reader<'a>, Damage> {
        let bytes = self.bytes()?;
        Ok(Reader::new(bytes, self.end - bytes.len()))
    }

    pub(super) fn int(&self) -> Result<i64, Damage> {
        match self.wire {
            Wire::Int(x) => Ok(x as i64),
            Wire::Bytes(_) | Wire::Fixed32(_) | Wire::Fixed64(_) => {
                Err(self.damage("should be an integer"))
            }
        }
    }

    pub(super) fn fixed32(&self) -> Result<u32, Damage> {
        match self.wire {
            Wire::Fixed32(x) => Ok(x),
            Wire::Bytes(_) | Wire::Int(_) | Wire::Fixed64(_) => {
                Err(self.damage("should be a 32-bit number"))
            }
        }
    }

    /// A repeated integer, packed or one by one.
    pub(super) fn each_int(&self, mut push: impl FnMut(i64)) -> Result<(), Damage> {
        match self.wire {
            Wire::Int(x) => push(x as i64),
            Wire::Bytes(packed) => {
                let mut at = 0;
                while at < packed.len() {
                    let x = varint(packed, &mut at);
                    push(x.ok_or_else(|| self.damage("holds a broken integer"))? as i64);
                }
            }
            Wire::Fixed32(_) | Wire::Fixed64(_) => return Err(self.damage("should be integers")),
        }
        Ok(())
    }
}

/// A number of seven bits a byte, lowest first.
#[inline]
pub(super) fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    // Keys and most lengths are one byte.
    if *at < bytes.len() && bytes[*at] < 128 {
        *at += 1;
        return Some(bytes[*at - 1].into());
    }
    long_varint(bytes, at)
}

fn long_varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 127) << shift;
        if byte < 128 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_and_damage_is_placed() {
        // Field 1 = 150 (the example of the protobuf manual), field 2 = "testing".
        let bytes = b"\x08\x96\x01\x12\x07testing";
        let mut reader = Reader::new(bytes, 0);
        let one = reader.next().expect("reads").expect("is there");
        assert_eq!((one.number, one.int()), (1, Ok(150)));
        let two = reader.next().expect("reads").expect("is there");
        assert_eq!((two.number, two.text()), (2, Ok("testing")));
        assert!(reader.next().expect("ends").is_none());
        let damage = Reader::new(&bytes[..9], 100);
        let found = [damage].into_iter().find_map(|mut r| {
            r.next().ok();
            r.next().err()
        });
        assert_eq!(
            found.map(|d| d.to_string()).as_deref(),
            Some("field 2 at byte 103 is longer than the message around it")
        );
    }
}
