//! ART's build data of one y-stream (`releases.yml`): parsing, assembly inheritance, and the facts of a
//! release (spec 01 §1.4).

mod assembly;
mod facts;
mod group;
mod merge;
mod node;

pub use assembly::{Assembly, BuildData};
pub(crate) use facts::ADDRESS_LIMIT;
pub use facts::{
    Advisories, Impetus, InheritedId, Pending, ReleaseDate, ReleaseFacts, ShipmentKind, ShipmentUrl,
};
pub use group::{GroupConfig, GroupFile, RpmDelivery};

/// The largest file that is read, in bytes; the largest real one has 260 kilobytes.
pub const SIZE_LIMIT: usize = crate::yaml::limits::MAX_BYTES;

/// What is wrong with the build data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildDataError {
    /// The text is not YAML, or too large.
    #[error("the build data cannot be read: {0}")]
    Unreadable(String),
    /// A value has the wrong form.
    #[error("`{assembly}`: `{field}` is {found}, expected {expected}")]
    ValueFormat {
        /// The entry under `releases`.
        assembly: String,
        /// The field's path in it.
        field: String,
        /// The value that was found.
        found: String,
        /// What was expected, with an example.
        expected: String,
    },
    /// The assembly inherits from one that does not exist.
    #[error("`{assembly}`: `basis.assembly` names `{parent}`, which is not under `releases`")]
    ParentMissing {
        /// The entry under `releases`.
        assembly: String,
        /// The missing parent.
        parent: String,
    },
    /// The assembly has too many parents.
    #[error("`{assembly}` has more than {limit} parents")]
    TooManyParents {
        /// The entry under `releases`.
        assembly: String,
        /// The limit.
        limit: usize,
    },
    /// A key has a marker where ART allows none.
    #[error(
        "`{assembly}`: the key `{key}` has a marker at the top level of the assembly; ART allows markers only inside a \
         section"
    )]
    TopLevelMarker {
        /// The entry under `releases`.
        assembly: String,
        /// The key with its marker.
        key: String,
    },
    /// The assembly inherits from itself.
    #[error("`{assembly}` inherits from itself: {chain}")]
    Cycle {
        /// The entry under `releases`.
        assembly: String,
        /// The chain of parents.
        chain: String,
    },
}
