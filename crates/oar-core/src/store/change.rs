//! Whether an operation changed a file's content.

/// Whether an operation changed the content of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use]
pub enum Change {
    /// The content changed.
    Changed,
    /// The content did not change.
    Unchanged,
}

impl Change {
    /// [`Change::Changed`] when one of the two is.
    pub fn or(self, other: Self) -> Self {
        if self == Self::Changed { self } else { other }
    }

    /// Whether this is [`Change::Changed`].
    pub fn is_changed(self) -> bool {
        self == Self::Changed
    }
}
