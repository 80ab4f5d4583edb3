//! JSON documents that are written as they were read.
//!
//! Record files are shared with Python programs, so everything that this program does not change must be
//! preserved: the order of keys, unknown values, the text of numbers (`1.0`, `1e5`, thirty digits), even
//! strings that are not Unicode (an unpaired surrogate, which Python reads and writes). The output has the
//! bytes of Python's `json.dump(…, indent=2)` (spec 04 §6.2).

mod parse;
#[cfg(test)]
pub(crate) mod tests;
mod write;

use std::borrow::Cow;

use indexmap::IndexMap;
pub use parse::JsonError;

/// The deepest nesting that is read.
const DEEPEST: usize = 96;

/// A JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, as it is written.
    Number(Number),
    /// A string.
    Text(Text),
    /// A list.
    List(Vec<Value>),
    /// A map.
    Map(Map),
}

impl Value {
    /// Parses one document. A duplicate key in a map is refused, because programs differ in which value they
    /// use.
    pub fn parse(text: &str) -> Result<Self, JsonError> {
        parse::document(text)
    }

    /// The document in the format of record files: two spaces of indentation, no newline at the end.
    pub fn to_text(&self) -> String {
        write::document(self)
    }

    /// The string.
    pub fn as_str(&self) -> Option<Cow<'_, str>> {
        if let Self::Text(text) = self { Some(text.get()) } else { None }
    }

    /// The boolean.
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(value) = self { Some(*value) } else { None }
    }

    /// The elements of a list.
    pub fn as_list(&self) -> Option<&[Self]> {
        if let Self::List(list) = self { Some(list) } else { None }
    }

    /// The map.
    pub fn as_map(&self) -> Option<&Map> {
        if let Self::Map(map) = self { Some(map) } else { None }
    }

    /// The elements of a list, mutable.
    pub fn as_list_mut(&mut self) -> Option<&mut Vec<Self>> {
        if let Self::List(list) = self { Some(list) } else { None }
    }

    /// The map, mutable.
    pub fn as_map_mut(&mut self) -> Option<&mut Map> {
        if let Self::Map(map) = self { Some(map) } else { None }
    }

    /// What kind of value it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Text::new(text))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Text::new(&text))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Number(Number(value.to_string()))
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Number(Number(value.to_string()))
    }
}

impl From<Map> for Value {
    fn from(map: Map) -> Self {
        Self::Map(map)
    }
}

impl From<Vec<Value>> for Value {
    fn from(list: Vec<Value>) -> Self {
        Self::List(list)
    }
}

/// A number, as it is written: equal when the digits are equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number(String);

impl Number {
    /// The digits.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The value, if it is an integer in the range of `u64`.
    pub fn as_u64(&self) -> Option<u64> {
        self.0.parse().ok()
    }

    /// A number from a text in the grammar of JSON.
    pub fn parse(text: &str) -> Option<Self> {
        match Value::parse(text) {
            Ok(Value::Number(number)) if number.0 == text => Some(number),
            _ => None,
        }
    }
}

/// A string, stored as it is written between the quotes: ASCII, everything else escaped.
///
/// So two strings are equal exactly when they are written the same way, and strings that are not valid
/// Unicode are preserved.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text(String);

impl Text {
    /// The string `text`.
    pub fn new(text: &str) -> Self {
        let mut escaped = String::with_capacity(text.len());
        text.chars().for_each(|character| write::escape(character, &mut escaped));
        Self(escaped)
    }

    /// The string; an unpaired surrogate becomes the replacement character.
    pub fn get(&self) -> Cow<'_, str> {
        if self.0.contains('\\') { Cow::Owned(parse::unescape(&self.0)) } else { Cow::Borrowed(&self.0) }
    }

    /// The string as it is written, without quotes.
    pub fn escaped(&self) -> &str {
        &self.0
    }
}

/// A map in the order of its file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Map(IndexMap<Text, Value>);

impl Map {
    /// A map of these entries.
    pub fn of<const N: usize>(entries: [(&str, Value); N]) -> Self {
        Self(entries.into_iter().map(|(key, value)| (Text::new(key), value)).collect())
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(&Text::new(key))
    }

    /// The value of `key`, mutable.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        self.0.get_mut(&Text::new(key))
    }

    /// The string of `key`, if it is one.
    pub fn text(&self, key: &str) -> Option<Cow<'_, str>> {
        self.get(key)?.as_str()
    }

    /// Sets `key`: in its place when it exists, otherwise at the end.
    pub fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.0.insert(Text::new(key), value.into());
    }

    /// Removes `key`; the others keep their order.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        self.0.shift_remove(&Text::new(key))
    }

    /// Whether there is a `key`.
    pub fn contains(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// The map in the format of record files, see [`Value::to_text`].
    pub fn to_text(&self) -> String {
        write::map_document(self)
    }

    /// The entries in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&Text, &Value)> {
        self.0.iter()
    }

    /// The entries in their order, with mutable values.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&Text, &mut Value)> {
        self.0.iter_mut()
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends an entry, or says that the key exists.
    pub(crate) fn append(&mut self, key: Text, value: Value) -> Result<(), Text> {
        if self.0.contains_key(&key) {
            return Err(key);
        }
        self.0.insert(key, value);
        Ok(())
    }
}
