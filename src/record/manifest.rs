//! How a folder of results came to be; the only document with a date.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::SCHEMA;

/// Provenance of a folder.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Manifest {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Of the tool.
    pub version: &'static str,
    /// Command line as given, without the program.
    pub command: Vec<String>,
    /// When, in UTC: `2026-01-31T12:00:00Z`.
    pub date: String,
    /// Files of the folder, sorted.
    pub files: Vec<String>,
}

impl Manifest {
    /// Of a command that has just written these files.
    pub fn now(command: Vec<String>, mut files: Vec<String>) -> Self {
        files.sort();
        Self {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION"),
            command,
            date: now(),
            files,
        }
    }
}

/// This second, as a date; that of `SOURCE_DATE_EPOCH` where it is set, so that files can be made again byte for byte.
///
/// Source: reproducible-builds.org, specification of `SOURCE_DATE_EPOCH`.
pub(super) fn now() -> String {
    let given = std::env::var("SOURCE_DATE_EPOCH").ok();
    let given = given.and_then(|text| text.parse().ok());
    utc(given.unwrap_or_else(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.map_or(0, |d| d.as_secs())
    }))
}

/// Seconds since 1970 as a date.
///
/// Source: H. Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`.
fn utc(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::utc;

    #[test]
    fn dates_follow_the_gregorian_calendar() {
        assert_eq!(utc(0), "1970-01-01T00:00:00Z");
        // `date -u -d @N +%FT%TZ`
        assert_eq!(utc(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(utc(1_709_251_199), "2024-02-29T23:59:59Z");
        assert_eq!(utc(4_107_542_400), "2100-03-01T00:00:00Z");
    }
}
