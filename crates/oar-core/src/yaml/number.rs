//! The values of numbers and times, and their format in Python.

use super::resolve::{Kind, looks_like_float};

/// The value of a text that has the form of a YAML 1.1 integer; `None` when it has no value (`0x_`).
pub(super) fn integer(text: &str) -> Option<Kind> {
    let bare: String = text.chars().filter(|character| *character != '_').collect();
    let (negative, digits) = match bare.as_bytes().first()? {
        b'-' => (true, bare.get(1..)?),
        b'+' => (false, bare.get(1..)?),
        _ => (false, bare.as_str()),
    };
    let magnitude = if let Some(binary) = digits.strip_prefix("0b") {
        radix(binary, 2)?
    } else if let Some(hexadecimal) = digits.strip_prefix("0x") {
        radix(hexadecimal, 16)?
    } else if digits.len() > 1 && digits.starts_with('0') {
        radix(digits, 8)?
    } else if digits.contains(':') {
        digits
            .split(':')
            .try_fold(0u128, |value, part| value.checked_mul(60)?.checked_add(part.parse().ok()?))
            .map_or(Kind::Verbatim, |value| Kind::Integer(value.to_string()))
    } else if digits.is_empty() {
        return None;
    } else {
        Kind::Integer(digits.to_owned())
    };
    Some(match magnitude {
        Kind::Integer(digits) if negative && digits != "0" => Kind::Integer(format!("-{digits}")),
        other => other,
    })
}

/// Digits of a base other than ten; [`Kind::Verbatim`] when there are too many, `None` when there are none.
fn radix(digits: &str, base: u32) -> Option<Kind> {
    if digits.is_empty() {
        return None;
    }
    Some(u128::from_str_radix(digits, base).map_or(Kind::Verbatim, |value| Kind::Integer(value.to_string())))
}

/// The value of a text that has the form of a YAML 1.1 float.
pub(super) fn float(text: &str) -> Option<f64> {
    let bare: String = text.chars().filter(|character| *character != '_').collect::<String>().to_lowercase();
    let (sign, digits) = match bare.as_bytes().first()? {
        b'-' => (-1.0, bare.get(1..)?),
        b'+' => (1.0, bare.get(1..)?),
        _ => (1.0, bare.as_str()),
    };
    match digits {
        ".inf" => return Some(sign * f64::INFINITY),
        ".nan" => return Some(f64::NAN),
        _ => {}
    }
    if digits.contains(':') {
        // From the last part to the first, as PyYAML adds them: the rounding is part of the value.
        let mut weight = 1.0;
        let mut value = 0.0;
        for part in digits.rsplit(':') {
            value += part.parse::<f64>().ok()? * weight;
            weight *= 60.0;
        }
        return Some(sign * value);
    }
    digits.parse::<f64>().ok().map(|value| sign * value)
}

/// Whether a text in the form of a YAML 1.1 timestamp is a valid date and time.
pub(super) fn is_possible_time(text: &str) -> bool {
    let numbers: Vec<i32> = text
        .split(|character: char| !character.is_ascii_digit())
        .filter(|part| !part.is_empty())
        .map(|part| part.parse().unwrap_or(i32::MAX))
        .collect();
    let part = |index: usize| numbers.get(index).copied().unwrap_or(0);
    let small = |value: i32| i8::try_from(value).unwrap_or(-1);
    let date = i16::try_from(part(0))
        .is_ok_and(|year| year > 0 && jiff::civil::Date::new(year, small(part(1)), small(part(2))).is_ok());
    date && part(3) < 24 && part(4) < 60 && part(5) < 60
}

/// A float as PyYAML writes it: Python's shortest form, with a decimal point before the exponent.
///
/// `read` is the text that the value was read from. When two shortest forms are equally close, Python may
/// choose another one than Rust; a text that is as short and reads the same is kept.
pub(super) fn python_float(value: f64, read: &str) -> String {
    let shortest = shortest_float(value);
    let alike = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e');
    let same = read.len() == shortest.len()
        && read.bytes().all(alike)
        && looks_like_float(read)
        && float(read).is_some_and(|again| again.to_bits() == value.to_bits());
    if same { read.to_owned() } else { shortest }
}

fn shortest_float(value: f64) -> String {
    if value.is_nan() {
        return ".nan".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { ".inf".into() } else { "-.inf".into() };
    }
    // Both languages print the shortest digits that read back the same; they differ in when an exponent is used.
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let plain = format!("{value}");
        if plain.contains('.') { plain } else { format!("{plain}.0") }
    } else {
        let mantissa = if mantissa.contains('.') { mantissa.to_owned() } else { format!("{mantissa}.0") };
        format!("{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_look_as_python_writes_them() {
        for (value, expected) in [
            (4.2, "4.2"),
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (1e16, "1.0e+16"),
            (1e15, "1000000000000000.0"),
            (1.5e-5, "1.5e-05"),
            (0.0001, "0.0001"),
            (1e300, "1.0e+300"),
            (f64::INFINITY, ".inf"),
            (f64::NEG_INFINITY, "-.inf"),
            (f64::NAN, ".nan"),
        ] {
            assert_eq!(python_float(value, ""), expected);
        }
        assert_eq!(python_float(4.2, "4.20"), "4.2");
        assert_eq!(python_float(1e16, "1.0E+16"), "1.0e+16");
        // Exactly between two shortest forms.
        assert_eq!(python_float(110_463_195_082_508.13, "110463195082508.12"), "110463195082508.12");
    }
}
