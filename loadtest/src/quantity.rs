//! Numbers with their units, as people read them. Does not know what is measured.

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Things per second.
    PerSecond,
    /// Milliseconds.
    Milliseconds,
    /// Microseconds.
    Microseconds,
    /// Bytes, shown in powers of 1,024.
    Bytes,
    /// Processor cores kept busy.
    Cores,
    /// Seconds.
    Seconds,
}

/// Shown for what was not measured.
pub const MISSING: &str = "–";

impl Unit {
    /// The unit that the end of a figure's name tells: `p99_ms`, `deliveries_per_s`, `user_us_per_delivery`.
    pub fn of(name: &str) -> Self {
        let ends = |with: &str| name.ends_with(with);
        let has = |part: &str| name.starts_with(&format!("{part}_")) || name.contains(&format!("_{part}_"));
        if ends("_per_s") {
            Self::PerSecond
        } else if ends("_ms") || has("ms") {
            Self::Milliseconds
        } else if ends("_us") || has("us") {
            Self::Microseconds
        } else if ends("_bytes") || has("bytes") {
            Self::Bytes
        } else if ends("_cores") {
            Self::Cores
        } else if ends("_s") || name == "seconds" {
            Self::Seconds
        } else {
            Self::Count
        }
    }

    /// The number and its unit.
    pub fn show(self, value: f64) -> String {
        if !value.is_finite() {
            return MISSING.to_owned();
        }
        let size = value.abs();
        match self {
            Self::Count => grouped(value),
            Self::PerSecond => format!("{}/s", grouped(value)),
            Self::Milliseconds if size >= 1_000.0 => format!("{} s", significant(value / 1e3)),
            Self::Milliseconds if size < 0.995 && size > 0.0 => format!("{} µs", significant(value * 1e3)),
            Self::Milliseconds => format!("{} ms", significant(value)),
            Self::Microseconds if size >= 10_000.0 => format!("{} ms", significant(value / 1e3)),
            Self::Microseconds => format!("{} µs", significant(value)),
            Self::Bytes => in_powers(value, 1024.0, &["B", "KiB", "MiB", "GiB", "TiB"]),
            Self::Cores if value == 1.0 => "1 core".to_owned(),
            Self::Cores => format!("{} cores", significant(value)),
            Self::Seconds => duration(value),
        }
    }

    /// The same for the tick of an axis, where there is little room.
    pub fn tick(self, value: f64) -> String {
        match self {
            Self::Count | Self::PerSecond => in_powers(value, 1000.0, &["", "k", "M", "G"]).trim_end().to_owned(),
            Self::Cores => significant(value),
            _ => self.show(value),
        }
    }
}

/// A whole number with its thousands apart, or three significant digits of a small broken one.
fn grouped(value: f64) -> String {
    if value.abs() < 100.0 && value.fract() != 0.0 {
        return significant(value);
    }
    let digits = format!("{:.0}", value.abs());
    let mut out = String::from(if value < -0.5 { "−" } else { "" });
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Three significant digits, without an exponent.
fn significant(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let magnitude = value.abs().log10().floor();
    // Six decimals are enough for a picosecond given in microseconds.
    let decimals = (2.0 - magnitude).clamp(0.0, 6.0) as usize;
    let text = format!("{:.decimals$}", value.abs());
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if value < 0.0 && text != "0" { format!("−{text}") } else { text.to_owned() }
}

fn in_powers(value: f64, base: f64, names: &[&str]) -> String {
    let mut value = value;
    let mut at = 0;
    // 999.5 and not the base: three digits would round up to it.
    while value.abs() >= base - 0.5 && at + 1 < names.len() {
        value /= base;
        at += 1;
    }
    format!("{} {}", significant(value), names[at])
}

/// Seconds up to two minutes, then minutes and hours.
fn duration(seconds: f64) -> String {
    if seconds.abs() < 120.0 {
        return format!("{} s", significant((seconds * 10.0).round() / 10.0));
    }
    let whole = seconds.abs().round() as u64;
    let parts = [(whole / 3600, "h"), (whole / 60 % 60, "min"), (whole % 60, "s")];
    let named = parts.into_iter().filter(|(part, _)| *part > 0).map(|(part, name)| format!("{part} {name}"));
    format!("{}{}", if seconds < 0.0 { "−" } else { "" }, named.collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_with_their_units() {
        let shown = |unit: Unit, value| unit.show(value);
        for (unit, value, text) in [
            (Unit::Count, 1_234_567.0, "1,234,567"),
            (Unit::Count, 0.0, "0"),
            (Unit::Count, -1_000.0, "−1,000"),
            (Unit::PerSecond, 999.6, "1,000/s"),
            (Unit::Milliseconds, 31.04, "31 ms"),
            (Unit::Milliseconds, 0.042, "42 µs"),
            (Unit::Milliseconds, 0.999, "0.999 ms"),
            (Unit::Milliseconds, 12_340.0, "12.3 s"),
            (Unit::Microseconds, 0.1423, "0.142 µs"),
            (Unit::Bytes, 2_048.0, "2 KiB"),
            (Unit::Bytes, 1_023.9, "1 KiB"),
            (Unit::Bytes, 512.0, "512 B"),
            (Unit::Cores, 1.256, "1.26 cores"),
            (Unit::Seconds, 60.0, "60 s"),
            (Unit::Seconds, 1_800.0, "30 min"),
            (Unit::Seconds, 3_660.0, "1 h 1 min"),
            (Unit::Seconds, 7_205.0, "2 h 5 s"),
            (Unit::Milliseconds, f64::NAN, "–"),
            (Unit::Bytes, f64::INFINITY, "–"),
        ] {
            assert_eq!(shown(unit, value), text, "{unit:?} {value}");
        }
    }

    #[test]
    fn the_name_of_a_figure_tells_its_unit() {
        for (name, unit) in [
            ("p99_ms", Unit::Milliseconds),
            ("user_us_per_delivery", Unit::Microseconds),
            ("us_per_open", Unit::Microseconds),
            ("bytes_per_connection", Unit::Bytes),
            ("deliveries_per_s", Unit::PerSecond),
            ("generator_cores", Unit::Cores),
            ("back_within_s", Unit::Seconds),
            ("lost", Unit::Count),
            ("status", Unit::Count),
        ] {
            assert_eq!(Unit::of(name), unit, "{name}");
        }
    }

    #[test]
    fn ticks_are_short() {
        assert_eq!(Unit::PerSecond.tick(2_500_000.0), "2.5 M");
        assert_eq!(Unit::Count.tick(500.0), "500");
        assert_eq!(Unit::Milliseconds.tick(1_000.0), "1 s");
        assert_eq!(Unit::Cores.tick(0.5), "0.5");
    }
}
