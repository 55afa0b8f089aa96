//! Which rows are fitted and which are held out: by site, so that no held-out shape has a fitted twin.

use crate::cases::OpRow;

/// Keys that say how many rows, tokens or bytes a call has. What else a shape says is its site: the weight of a
/// product, the heads of an attention, the experts of a mixture, the chips of a collective.
const AMOUNTS: [&str; 8] = ["m", "b", "batch", "seq", "kv_len", "tokens", "bytes", "isl"];

/// Most parts in which sites are held out.
pub(super) const FOLDS: usize = 5;

/// The site of a row: operator, format and shape without its amounts; all of the shape where nothing else is left.
pub(super) fn site(row: &OpRow) -> String {
    let parts = row.shape.split(';').map(str::trim);
    let kept: Vec<&str> = parts
        .filter(|part| {
            let key = part.split('=').next().unwrap_or_default().trim();
            !AMOUNTS.contains(&key)
        })
        .collect();
    let shape = if kept.is_empty() {
        row.shape.clone()
    } else {
        kept.join(";")
    };
    format!("{} {} {shape}", row.op, row.dtype)
}

/// The fold of each row: that of its site, or its own where there are fewer sites than folds.
pub(super) fn folds(rows: &[&OpRow]) -> Vec<usize> {
    let sites: Vec<String> = rows.iter().map(|row| site(row)).collect();
    let mut distinct: Vec<&String> = sites.iter().collect();
    distinct.sort_unstable();
    distinct.dedup();
    let is_by_site = distinct.len() >= 2 * FOLDS;
    let mut order: Vec<(u64, &String)> = distinct.into_iter().map(|s| (hash(s), s)).collect();
    order.sort_unstable();
    let of_site = |site: &String| {
        let at = order.iter().position(|(_, s)| *s == site);
        at.unwrap_or(0) % FOLDS
    };
    let of_row = |row: &OpRow| (hash(&format!("{} {}", row.op, row.shape)) % FOLDS as u64) as usize;
    let pairs = rows.iter().zip(&sites);
    pairs
        .map(|(row, site)| {
            if is_by_site {
                of_site(site)
            } else {
                of_row(row)
            }
        })
        .collect()
}

/// At most `n` of the rows, spread evenly: those of the smallest hashes, in their order.
pub(super) fn sample(rows: &[&OpRow], n: usize) -> Vec<usize> {
    let mut all: Vec<(u64, usize)> = rows
        .iter()
        .enumerate()
        .map(|(i, row)| {
            (
                hash(&format!(
                    "{} {} {} {}",
                    row.op, row.dtype, row.regime, row.shape
                )),
                i,
            )
        })
        .collect();
    all.sort_unstable();
    all.truncate(n);
    let mut kept: Vec<usize> = all.into_iter().map(|(_, i)| i).collect();
    kept.sort_unstable();
    kept
}

/// FNV-1a with a final mix, the same on every machine.
fn hash(text: &str) -> u64 {
    let fnv = text.bytes().fold(0xcbf2_9ce4_8422_2325, |h: u64, byte| {
        (h ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mixed = (fnv ^ (fnv >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    mixed ^ (mixed >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(shape: String) -> OpRow {
        OpRow {
            op: "gemm".into(),
            dtype: "bf16".into(),
            shape,
            ..OpRow::default()
        }
    }

    #[test]
    fn rows_of_one_weight_share_a_fold() {
        let rows: Vec<OpRow> = (0..200)
            .map(|i| row(format!("m={};n={};k=64", 1 << (i % 10), 64 * (i / 10))))
            .collect();
        let rows: Vec<&OpRow> = rows.iter().collect();
        let folds = folds(&rows);
        for (i, fold) in folds.iter().enumerate() {
            assert_eq!(*fold, folds[i / 10 * 10], "{i}");
        }
        for fold in 0..FOLDS {
            assert_eq!(folds.iter().filter(|f| **f == fold).count(), 40);
        }
    }

    #[test]
    fn an_amount_alone_is_its_own_site() {
        assert_eq!(site(&row("m=8".into())), "gemm bf16 m=8");
        assert_eq!(site(&row("m=8;n=4".into())), "gemm bf16 n=4");
    }

    #[test]
    fn a_sample_keeps_the_order() {
        let rows: Vec<OpRow> = (0..50).map(|i| row(format!("m={i}"))).collect();
        let rows: Vec<&OpRow> = rows.iter().collect();
        let sample = sample(&rows, 20);
        assert_eq!(sample.len(), 20);
        assert!(sample.is_sorted());
    }
}
