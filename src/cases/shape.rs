//! Shapes as tables write them: `m=4096;n=4096;k=4096`.

use super::Unpriced;
use super::unpriced::short;

/// Largest size of one dimension: products of four such sizes stay finite in floating point, and products
/// of two stay below 2^64.
const LARGEST: u64 = 1 << 31;

/// Most elements of one tensor: far above any memory, far below overflow.
const MOST_ELEMENTS: f64 = 1e15;

/// Named sizes of one operator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape(Vec<(String, String)>);

impl Shape {
    /// Reads `key=value;key=value`; spaces around keys and values do not count.
    ///
    /// # Errors
    /// [`Unpriced::Missing`] if a part has no `=`.
    pub fn parse(text: &str) -> Result<Self, Unpriced> {
        let parts = text.split(';').map(str::trim).filter(|p| !p.is_empty());
        let pairs = parts.map(|part| {
            let (key, value) = part
                .split_once('=')
                .ok_or_else(|| Unpriced::Missing(format!("{}=", short(part))))?;
            Ok((key.trim().to_owned(), value.trim().to_owned()))
        });
        pairs.collect::<Result<_, _>>().map(Self)
    }

    /// Whether a key is there.
    pub fn has(&self, key: &str) -> bool {
        self.0.iter().any(|(k, _)| k == key)
    }

    /// Refuses keys that nothing reads, so that a slip cannot price another shape.
    ///
    /// # Errors
    /// [`Unpriced::UnknownKey`] with the first of them.
    pub fn only(&self, known: &[&str]) -> Result<(), Unpriced> {
        let unknown = self.0.iter().find(|(k, _)| !known.contains(&k.as_str()));
        unknown.map_or(Ok(()), |(k, _)| Err(Unpriced::UnknownKey(short(k))))
    }

    /// A size: a whole number from 1 to 2^31.
    ///
    /// # Errors
    /// [`Unpriced`] if it is missing, not a number, or out of range.
    pub fn size(&self, key: &str) -> Result<u64, Unpriced> {
        let size = self.count(key)?;
        if size == 0 {
            return Err(Unpriced::OutOfRange(key.to_owned()));
        }
        Ok(size)
    }

    /// A count, such as a padding: a whole number from 0 to 2^31.
    ///
    /// # Errors
    /// As [`Self::size`].
    pub fn count(&self, key: &str) -> Result<u64, Unpriced> {
        let found = self.0.iter().find(|(k, _)| k == key);
        let (_, text) = found.ok_or_else(|| Unpriced::Missing(key.to_owned()))?;
        let wrong = || Unpriced::NotANumber(key.to_owned());
        let value: f64 = text.parse().map_err(|_| wrong())?;
        if value.is_nan() {
            return Err(wrong());
        }
        if value < 0.0 || value > LARGEST as f64 || value.fract() != 0.0 {
            return Err(Unpriced::OutOfRange(key.to_owned()));
        }
        Ok(value as u64)
    }

    /// A word, such as the name of a kernel.
    ///
    /// # Errors
    /// [`Unpriced::Missing`] if it is not there.
    pub fn text(&self, key: &str) -> Result<&str, Unpriced> {
        let found = self.0.iter().find(|(k, _)| k == key);
        let text = found.map(|(_, text)| text.as_str());
        text.ok_or_else(|| Unpriced::Missing(key.to_owned()))
    }

    /// A size, or `otherwise` if the key is not there.
    ///
    /// # Errors
    /// As [`Self::size`].
    pub fn size_or(&self, key: &str, otherwise: u64) -> Result<u64, Unpriced> {
        if self.has(key) {
            self.size(key)
        } else {
            Ok(otherwise)
        }
    }

    /// A count, or `otherwise` if the key is not there.
    ///
    /// # Errors
    /// As [`Self::size`].
    pub fn count_or(&self, key: &str, otherwise: u64) -> Result<u64, Unpriced> {
        if self.has(key) {
            self.count(key)
        } else {
            Ok(otherwise)
        }
    }
}

/// The product of sizes, if a tensor of that many elements is conceivable.
pub(super) fn elements(sizes: &[u64]) -> Result<f64, Unpriced> {
    let product: f64 = sizes.iter().map(|&s| s as f64).product();
    if product > MOST_ELEMENTS {
        return Err(Unpriced::OutOfRange("shape".to_owned()));
    }
    Ok(product)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_whole_numbers_in_range() {
        let shape = Shape::parse(" m = 16 ; n=1e3;k=;z=0;f=1.5;big=1e18;neg=-1;nan=nan").unwrap();
        assert_eq!(shape.size("m"), Ok(16));
        assert_eq!(shape.size("n"), Ok(1000));
        assert_eq!(shape.count("z"), Ok(0));
        for (key, expected) in [
            ("k", Unpriced::NotANumber("k".into())),
            ("nan", Unpriced::NotANumber("nan".into())),
            ("z", Unpriced::OutOfRange("z".into())),
            ("f", Unpriced::OutOfRange("f".into())),
            ("big", Unpriced::OutOfRange("big".into())),
            ("neg", Unpriced::OutOfRange("neg".into())),
            ("q", Unpriced::Missing("q".into())),
        ] {
            assert_eq!(shape.size(key), Err(expected), "{key}");
        }
        assert!(Shape::parse("m16").is_err());
    }

    #[test]
    fn keys_that_nothing_reads_are_refused() {
        let shape = Shape::parse("m=4;bogus=3").unwrap();
        let refused = Err(Unpriced::UnknownKey("bogus".into()));
        assert_eq!(shape.only(&["m", "n"]), refused);
        assert_eq!(shape.only(&["m", "bogus"]), Ok(()));
    }

    #[test]
    fn a_size_that_is_there_is_never_replaced() {
        let shape = Shape::parse("b=0").unwrap();
        assert_eq!(shape.size_or("b", 1), Err(Unpriced::OutOfRange("b".into())));
        assert_eq!(shape.size_or("g", 7), Ok(7));
    }
}
