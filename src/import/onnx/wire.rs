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
    /// Of its key, from the start of the file.
    at: usize,
    /// Of its content.
    content: usize,
}

/// Fields of a message, one after the other.
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
        let start = self.base + self.at;
        let bad = |field, what| Damage {
            at: start,
            field,
            what,
        };
        let key = varint(self.bytes, &mut self.at).ok_or_else(|| bad(0, "has a broken key"))?;
        let number = u32::try_from(key >> 3).unwrap_or(0);
        if number == 0 {
            return Err(bad(0, "is not one that a message can have"));
        }
        let short = || bad(number, "is longer than the message around it");
        let wire = match key & 7 {
            0 => Wire::Int(varint(self.bytes, &mut self.at).ok_or_else(short)?),
            1 => Wire::Fixed64(u64::from_le_bytes(
                self.array().ok_or_else(short)?,
            )),
            5 => Wire::Fixed32(u32::from_le_bytes(
                self.array().ok_or_else(short)?,
            )),
            2 => {
                let n = varint(self.bytes, &mut self.at).ok_or_else(short)?;
                let end = usize::try_from(n).ok().and_then(|n| self.at.checked_add(n));
                let end = end.filter(|e| *e <= self.bytes.len()).ok_or_else(short)?;
                let content = &self.bytes[self.at..end];
                self.at = end;
                Wire::Bytes(content)
            }
            _ => return Err(bad(number, "is of a kind that ONNX does not use")),
        };
        let n = match wire {
            Wire::Bytes(b) => b.len(),
            Wire::Int(_) | Wire::Fixed32(_) | Wire::Fixed64(_) => 0,
        };
        Ok(Some(Field {
            number,
            wire,
            at: start,
            content: self.base + self.at - n,
        }))
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let found = self.bytes.get(self.at..)?.first_chunk::<N>().copied()?;
        self.at += N;
        Some(found)
    }
}

impl<'a> Field<'a> {
    pub(super) fn damage(&self, what: &'static str) -> Damage {
        Damage {
            at: self.at,
            field: self.number,
            what,
        }
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
        std::str::from_utf8(self.bytes()?).map_err(|_| self.damage("is not a text"))
    }

    pub(super) fn message(&self) -> Result<Reader<'a>, Damage> {
        Ok(Reader::new(self.bytes()?, self.content))
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
pub(super) fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
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
