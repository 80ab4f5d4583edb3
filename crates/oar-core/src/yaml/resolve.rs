//! The type of a plain scalar for a YAML 1.1 reader (PyYAML's safe loader) (spec 01 §2.11, rule 10).

use super::number;

/// The type of a scalar under YAML 1.1.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Null.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer, as its decimal digits with an optional `-`.
    Integer(String),
    /// A float, infinity, or not-a-number.
    Float(f64),
    /// A time, or a number that is too long: written again as it was read.
    Verbatim,
    /// Text.
    Text,
}

/// The type of the plain scalar `text` for a YAML 1.1 reader.
///
/// PyYAML refuses a text with the form of a number or a time but no value (`0x_`, `2026-13-01`), and the lone
/// `=` and `<<`; here they are [`Kind::Text`], and the emitter quotes them.
pub fn resolve(text: &str) -> Kind {
    if is_null(text) {
        return Kind::Null;
    }
    if let Some(value) = as_bool(text) {
        return Kind::Bool(value);
    }
    if looks_like_integer(text) {
        return number::integer(text).unwrap_or(Kind::Text);
    }
    if looks_like_float(text) {
        return number::float(text).map_or(Kind::Text, Kind::Float);
    }
    if looks_like_time(text) && number::is_possible_time(text) {
        return Kind::Verbatim;
    }
    Kind::Text
}

/// Whether the text, written plain, would be read as anything but text.
pub(super) fn needs_quotes(text: &str) -> bool {
    matches!(text, "=" | "<<")
        || is_null(text)
        || as_bool(text).is_some()
        || looks_like_integer(text)
        || looks_like_float(text)
        || looks_like_time(text)
}

fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

fn as_bool(text: &str) -> Option<bool> {
    match text {
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Some(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

/// A reading position in the bytes of a scalar.
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn take(&mut self, wanted: impl Fn(u8) -> bool) -> bool {
        match self.0.split_first() {
            Some((&first, rest)) if wanted(first) => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    fn take_byte(&mut self, wanted: u8) -> bool {
        self.take(|byte| byte == wanted)
    }

    /// Takes as many matching bytes as possible and returns their number.
    fn take_all(&mut self, wanted: impl Fn(u8) -> bool) -> usize {
        let length = self.0.iter().take_while(|byte| wanted(**byte)).count();
        self.0 = self.0.get(length..).unwrap_or_default();
        length
    }

    fn digits(&mut self, least: usize, most: usize) -> bool {
        let length = self.0.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
        self.0 = self.0.get(length..).unwrap_or_default();
        length >= least
    }

    fn sign(&mut self) -> bool {
        self.take(|byte| matches!(byte, b'-' | b'+'))
    }

    /// One or more `:59` groups: each has one or two digits, and the first of two is at most 5.
    fn sexagesimal_groups(&mut self) -> bool {
        let mut groups = 0;
        while self.0.first() == Some(&b':') {
            let taken = match self.0 {
                [_, b'0'..=b'5', b'0'..=b'9', ..] => 3,
                [_, b'0'..=b'9', ..] => 2,
                _ => break,
            };
            self.0 = self.0.get(taken..).unwrap_or_default();
            groups += 1;
        }
        groups > 0
    }

    fn done(&self) -> bool {
        self.0.is_empty()
    }
}

fn digit_or_underscore(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b'_'
}

fn looks_like_integer(text: &str) -> bool {
    let mut cursor = Cursor(text.as_bytes());
    cursor.sign();
    match cursor.0 {
        [b'0'] => true,
        [b'0', b'b', rest @ ..] => {
            !rest.is_empty() && rest.iter().all(|byte| matches!(byte, b'0' | b'1' | b'_'))
        }
        [b'0', b'x', rest @ ..] => {
            !rest.is_empty() && rest.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'_')
        }
        [b'0', rest @ ..] => rest.iter().all(|byte| matches!(byte, b'0'..=b'7' | b'_')),
        [b'1'..=b'9', ..] => {
            cursor.take_all(digit_or_underscore);
            cursor.done() || (cursor.sexagesimal_groups() && cursor.done())
        }
        _ => false,
    }
}

pub(super) fn looks_like_float(text: &str) -> bool {
    if matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let mut cursor = Cursor(text.as_bytes());
    let signed = cursor.sign();
    if matches!(cursor.0, b".inf" | b".Inf" | b".INF") {
        return true;
    }
    if cursor.take_byte(b'.') {
        return !signed && cursor.take(|byte| byte.is_ascii_digit()) && {
            cursor.take_all(digit_or_underscore);
            exponent_or_end(&mut cursor)
        };
    }
    if !cursor.take(|byte| byte.is_ascii_digit()) {
        return false;
    }
    cursor.take_all(digit_or_underscore);
    if cursor.sexagesimal_groups() {
        return cursor.take_byte(b'.') && {
            cursor.take_all(digit_or_underscore);
            cursor.done()
        };
    }
    cursor.take_byte(b'.') && {
        cursor.take_all(digit_or_underscore);
        exponent_or_end(&mut cursor)
    }
}

/// The end, or an exponent (with a mandatory sign) and the end.
fn exponent_or_end(cursor: &mut Cursor<'_>) -> bool {
    cursor.done()
        || (cursor.take(|byte| matches!(byte, b'e' | b'E'))
            && cursor.sign()
            && cursor.take_all(|byte| byte.is_ascii_digit()) > 0
            && cursor.done())
}

fn looks_like_time(text: &str) -> bool {
    let blank = |byte: u8| matches!(byte, b' ' | b'\t');
    let bytes = text.as_bytes();
    if let [b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'-', month @ ..] = bytes
        && let [b'0'..=b'9', b'0'..=b'9', b'-', b'0'..=b'9', b'0'..=b'9'] = month
    {
        return true;
    }
    let mut cursor = Cursor(bytes);
    let date = cursor.digits(4, 4)
        && cursor.take_byte(b'-')
        && cursor.digits(1, 2)
        && cursor.take_byte(b'-')
        && cursor.digits(1, 2);
    if !date {
        return false;
    }
    if !cursor.take(|byte| matches!(byte, b'T' | b't')) && cursor.take_all(blank) == 0 {
        return false;
    }
    let time = cursor.digits(1, 2)
        && cursor.take_byte(b':')
        && cursor.digits(2, 2)
        && cursor.take_byte(b':')
        && cursor.digits(2, 2);
    if !time {
        return false;
    }
    if cursor.take_byte(b'.') {
        cursor.take_all(|byte| byte.is_ascii_digit());
    }
    if cursor.done() {
        return true;
    }
    cursor.take_all(blank);
    if cursor.take_byte(b'Z') {
        return cursor.done();
    }
    cursor.sign()
        && cursor.digits(1, 2)
        && (cursor.done() || (cursor.take_byte(b':') && cursor.digits(2, 2) && cursor.done()))
}
