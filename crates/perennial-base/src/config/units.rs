//! Durations and sizes with units, as people write them.

use std::time::Duration;

/// No configured duration is longer: 100 years of 365 days. It keeps every sum of moments in range.
pub const MAX_DURATION: Duration = Duration::from_secs(36_500 * 86_400);

const MILLISECOND: f64 = 1e-3;
const MINUTE: f64 = 60.0;
const HOUR: f64 = 3_600.0;
const DAY: f64 = 86_400.0;

/// Reads a duration such as `10s`, `1.5 hours` or `90 days`.
///
/// Units are ms, s, min, h, d and w, and their English words in the singular and plural. A day is 24 hours; months
/// and years have no fixed length and are not units. A zero needs no unit.
///
/// # Errors
/// What is wrong with the text, as the end of a sentence that begins with the value.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split_number(text)?;
    let seconds = match unit.to_ascii_lowercase().as_str() {
        "" if number == 0.0 => 0.0,
        "" => return Err("has no unit".to_owned()),
        "ms" | "millisecond" | "milliseconds" => MILLISECOND,
        "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "m" | "min" | "mins" | "minute" | "minutes" => MINUTE,
        "h" | "hour" | "hours" => HOUR,
        "d" | "day" | "days" => DAY,
        "w" | "week" | "weeks" => 7.0 * DAY,
        "month" | "months" | "year" | "years" => {
            return Err(format!("has the unit \"{unit}\", which has no fixed length"));
        }
        _ => return Err(format!("has the unknown unit \"{unit}\"")),
    };
    Duration::try_from_secs_f64(number * seconds)
        .ok()
        .filter(|duration| *duration <= MAX_DURATION)
        .ok_or_else(|| "is longer than 36,500 days".to_owned())
}

/// Reads a size such as `512MiB`, `20GB` or `1.5 GiB` in bytes.
///
/// kB, MB, GB and TB are powers of 1000; KiB, MiB, GiB and TiB powers of 1024. A number without a unit is bytes.
///
/// # Errors
/// What is wrong with the text, as the end of a sentence that begins with the value.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let (number, unit) = split_number(text)?;
    let factor: f64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" | "byte" | "bytes" => 1.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "tb" => 1e12,
        "kib" => 1024.0,
        "mib" => 1_048_576.0,
        "gib" => 1_073_741_824.0,
        "tib" => 1_099_511_627_776.0,
        _ => return Err(format!("has the unknown unit \"{unit}\"")),
    };
    // Above 2^53 a product of floats is no longer exact, and no machine has so much.
    let bytes = (number * factor).round();
    if bytes <= 9_007_199_254_740_992.0 {
        Ok(bytes as u64)
    } else {
        Err("is too large".to_owned())
    }
}

/// A finite number that is not negative, and the rest of the text.
fn split_number(text: &str) -> Result<(f64, &str), String> {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    match number.replace('_', "").parse::<f64>() {
        Ok(number) if number.is_finite() => Ok((number, unit.trim())),
        _ => Err("does not start with a number".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_duration(text: &str, expected: Result<u64, &str>) {
        let actual = parse_duration(text).map(|duration| duration.as_millis());
        assert_eq!(actual, expected.map(u128::from).map_err(str::to_owned), "{text}");
    }

    #[test]
    fn durations() {
        check_duration("10s", Ok(10_000));
        check_duration("90 days", Ok(90 * 86_400_000));
        check_duration("1 hour", Ok(3_600_000));
        check_duration("1.5 hours", Ok(5_400_000));
        check_duration("250ms", Ok(250));
        check_duration("2 weeks", Ok(14 * 86_400_000));
        check_duration("0", Ok(0));
        check_duration("36500 days", Ok(36_500 * 86_400_000));
        check_duration("36501 days", Err("is longer than 36,500 days"));
        check_duration("90", Err("has no unit"));
        check_duration(
            "3 months",
            Err("has the unit \"months\", which has no fixed length"),
        );
        check_duration("3 fortnights", Err("has the unknown unit \"fortnights\""));
        check_duration("", Err("does not start with a number"));
        check_duration("-1s", Err("does not start with a number"));
        check_duration("1.2.3s", Err("does not start with a number"));
        check_duration(&"9".repeat(400), Err("does not start with a number"));
        check_duration(
            &format!("{}d", "9".repeat(300)),
            Err("is longer than 36,500 days"),
        );
    }

    #[track_caller]
    fn check_size(text: &str, expected: Result<u64, &str>) {
        assert_eq!(parse_size(text), expected.map_err(str::to_owned), "{text}");
    }

    #[test]
    fn sizes() {
        check_size("1GB", Ok(1_000_000_000));
        check_size("512MiB", Ok(536_870_912));
        check_size("1.5 GiB", Ok(1_610_612_736));
        check_size("4096", Ok(4_096));
        check_size("10_000 kB", Ok(10_000_000));
        check_size("1 XB", Err("has the unknown unit \"XB\""));
        check_size("lots", Err("does not start with a number"));
        check_size("99999999 TB", Err("is too large"));
    }
}
