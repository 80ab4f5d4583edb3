//! Why a run ended as it did.

use serde::Serialize;

use crate::statebox::ReasonClass;

/// Why a run ended as it did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Reason {
    /// What kind of trouble it was.
    pub class: ReasonClass,
    /// The trouble in words.
    pub text: String,
    /// The same one by one, where it is several things; empty for a single one.
    #[serde(skip)]
    pub items: Vec<String>,
}

impl Reason {
    /// A reason in these words.
    pub fn new(class: ReasonClass, words: impl Into<Words>) -> Self {
        let Words { text, items } = words.into();
        Self { class, text, items }
    }

    /// The same reason and one more thing.
    #[must_use]
    pub fn and(self, more: String) -> Self {
        let mut items = if self.items.is_empty() { vec![self.text] } else { self.items };
        items.push(more);
        Self::new(self.class, items)
    }
}

/// What is said about one thing, or about several things one by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    pub(super) text: String,
    pub(super) items: Vec<String>,
}

impl From<String> for Words {
    fn from(text: String) -> Self {
        Self { text, items: Vec::new() }
    }
}

impl From<&str> for Words {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<Vec<String>> for Words {
    fn from(items: Vec<String>) -> Self {
        let text = items.join("; ");
        if items.len() < 2 { text.into() } else { Self { text, items } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_things_are_one_text_and_stay_several_things() {
        let one = Reason::new(ReasonClass::Product, vec!["a; b".to_owned()]);
        assert_eq!((one.text.as_str(), one.items.len()), ("a; b", 0));
        let two = one.and("c".to_owned());
        assert_eq!((two.text.as_str(), two.items.len()), ("a; b; c", 2));
        assert_eq!(two.and("d".to_owned()).items, ["a; b", "c", "d"]);
    }
}
