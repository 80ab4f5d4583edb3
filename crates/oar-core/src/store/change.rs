//! Whether an operation on a file's content changed it.

/// Whether an operation changed the content of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use]
pub enum Change {
    /// The content is another one now.
    Changed,
    /// The content was already so.
    Unchanged,
}

impl Change {
    /// Changed when one of the two is.
    pub fn or(self, other: Self) -> Self {
        if self == Self::Changed { self } else { other }
    }

    /// Whether this is [`Change::Changed`].
    pub fn is_changed(self) -> bool {
        self == Self::Changed
    }
}
