use std::fmt::Write as _;

use super::{Map, Text, Value};

pub(super) fn document(value: &Value) -> String {
    let mut out = String::new();
    write(value, 0, &mut out);
    out
}

pub(super) fn map_document(map: &Map) -> String {
    let mut out = String::new();
    write_map(map, 0, &mut out);
    out
}

fn write(value: &Value, depth: usize, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => out.push_str(number.text()),
        Value::Text(text) => quote(text, out),
        Value::List(list) => {
            block(out, depth, ['[', ']'], list, |element, out| write(element, depth + 1, out));
        }
        Value::Map(map) => write_map(map, depth, out),
    }
}

fn write_map(map: &Map, depth: usize, out: &mut String) {
    block(out, depth, ['{', '}'], map.iter(), |(key, element), out| {
        quote(key, out);
        out.push_str(": ");
        write(element, depth + 1, out);
    });
}

fn block<T>(
    out: &mut String,
    depth: usize,
    [open, close]: [char; 2],
    items: impl IntoIterator<Item = T>,
    item: impl Fn(T, &mut String),
) {
    out.push(open);
    let mut empty = true;
    for element in items {
        out.push_str(if empty { "\n" } else { ",\n" });
        empty = false;
        indent(depth + 1, out);
        item(element, out);
    }
    if !empty {
        out.push('\n');
        indent(depth, out);
    }
    out.push(close);
}

fn indent(depth: usize, out: &mut String) {
    (0..depth).for_each(|_| out.push_str("  "));
}

fn quote(text: &Text, out: &mut String) {
    out.push('"');
    out.push_str(text.escaped());
    out.push('"');
}

/// Appends `character` as it is written in a string (spec 04 §6.2.2).
pub(super) fn escape(character: char, out: &mut String) {
    match character {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        ' '..='~' => out.push(character),
        _ => character.encode_utf16(&mut [0; 2]).iter().for_each(|unit| escape_unit(*unit, out)),
    }
}

/// Appends one UTF-16 unit as an escape.
pub(super) fn escape_unit(unit: u16, out: &mut String) {
    // Writing to a string cannot fail.
    let _ = write!(out, "\\u{unit:04x}");
}
